with

earlier_values as (
    select * from {{ ref('int_earlier_values') }}
),

-- the areas of an earlier half-year are a level of their own: whatever is relative is so to its own time
final as (
    select
        half_year || ' ' || area_level as area_level,
        earlier_area_id as area_id,
        indicator_code as node_code,
        value
    from earlier_values
)

select * from final
