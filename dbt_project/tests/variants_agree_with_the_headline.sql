-- Coverage as the index judges it is one of the variants: both must tell the same value, and no area may be without its own.
with

indicators as (
    select * from {{ ref('indicators') }}
    where family = 'coverage' or indicator_code in ('COM-3', 'CNV-2')
),

headline_values as (
    select
        ratios.area_level,
        ratios.area_id,
        ratios.indicator_code,
        indicators.multiplier * ratios.numerator / ratios.denominator as value
    from {{ ref('int_area_ratios') }} as ratios
    inner join indicators
        on ratios.indicator_code = indicators.indicator_code
    where ratios.missing_reason is null
),

variants as (
    select * from {{ ref('int_area_variants') }}
    where is_headline
),

final as (
    select
        headline_values.*,
        variants.value as variant_value
    from headline_values
    left join variants
        on
            headline_values.area_level = variants.area_level
            and headline_values.area_id = variants.area_id
            and headline_values.indicator_code = variants.indicator_code
    where variants.value is null or abs(variants.value - headline_values.value) > 1e-9
)

select * from final
