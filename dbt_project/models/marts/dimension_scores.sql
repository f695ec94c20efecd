with

final as (
    select
        area_level,
        area_id,
        dimension_code,
        score,
        weight_pct,
        weight_available_pct,
        status
    from {{ ref('int_area_dimensions') }}
)

select * from final
order by area_level, area_id, dimension_code
