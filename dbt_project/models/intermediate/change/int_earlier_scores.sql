with

levels as (
    select * from {{ ref('int_index_levels') }}
    where index_code = 'headline'
),

inputs as (
    select distinct
        half_year,
        area_level,
        earlier_area_id,
        area_id
    from {{ ref('int_earlier_values') }}
),

final as (
    select
        inputs.half_year,
        inputs.area_level,
        inputs.earlier_area_id,
        inputs.area_id,
        levels.node_code,
        levels.value,
        levels.score
    from levels
    inner join inputs
        on levels.area_level = inputs.half_year || ' ' || inputs.area_level
            and levels.area_id = inputs.earlier_area_id
)

select * from final
