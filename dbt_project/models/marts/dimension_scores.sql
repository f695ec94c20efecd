with

dimensions as (
    select * from {{ ref('int_area_dimensions') }}
),

series_breaks as (
    select * from {{ ref('int_series_breaks') }}
),

final as (
    select
        dimensions.area_level,
        dimensions.area_id,
        dimensions.dimension_code,
        dimensions.score,
        dimensions.weight_pct,
        dimensions.weight_available_pct,
        dimensions.status,
        {{ obs_status('dimensions.score', is_break='series_breaks.node_code is not null') }} as obs_status,
        {{ conf_status() }} as conf_status
    from dimensions
    left join series_breaks
        on series_breaks.area_level = dimensions.area_level
            and series_breaks.area_id = dimensions.area_id
            and series_breaks.node_code = dimensions.dimension_code
)

select * from final
order by area_level, area_id, dimension_code
