with

missing as (
    select * from {{ ref('int_area_indicators') }}
    where status = 'insufficient_data' and area_level in ('county', 'city')
),

indicators as (
    select * from {{ ref('int_indicators') }}
    where is_scored
),

dimensions as (
    select * from {{ ref('dimensions') }}
),

missing_reasons as (
    select * from {{ ref('missing_reasons') }}
),

final as (
    select
        missing.area_level,
        missing.area_id,
        missing.indicator_code,
        indicators.name_zh as indicator_name_zh,
        indicators.name_en as indicator_name_en,
        missing.dimension_code,
        missing.missing_reason,
        missing_reasons.name_zh as missing_reason_zh,
        missing_reasons.name_en as missing_reason_en,
        missing.coverage_pct,
        round(dimensions.weight_pct * indicators.weight, 6) as weight_in_index_pct,
        {{ obs_status('null', suppression='missing.suppression', missing_code='missing_reasons.obs_status') }}
            as obs_status,
        {{ conf_status('missing.suppression') }} as conf_status
    from missing
    inner join indicators
        on indicators.indicator_code = missing.indicator_code
    inner join dimensions
        on dimensions.dimension_code = missing.dimension_code
    left join missing_reasons
        on missing_reasons.reason_code = missing.missing_reason
)

select * from final
order by area_level, area_id, indicator_code
