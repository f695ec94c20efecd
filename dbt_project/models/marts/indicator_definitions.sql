with

final as (
    select
        indicator_code,
        dimension_code,
        name_zh,
        name_en,
        family,
        formula_zh,
        formula_en,
        unit,
        multiplier,
        direction,
        normalisation,
        outliers,
        goalpost_low,
        goalpost_high,
        goalpost_status,
        target,
        target_status,
        target_source,
        weight,
        weight_status,
        level,
        target_group,
        feeds,
        is_scored,
        origin
    from {{ ref('int_indicators') }}
)

select * from final
order by indicator_code
