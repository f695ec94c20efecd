{{ config(alias='indicators') }}   -- the seed of that name is in the schema `standard`; a name in dbt is unique

with

area_indicators as (
    select * from {{ ref('int_area_indicators') }}
),

missing_reasons as (
    select * from {{ ref('missing_reasons') }}
),

series_breaks as (
    select * from {{ ref('int_series_breaks') }}
),

final as (
    select
        area_indicators.area_level,
        area_indicators.area_id,
        '{{ var("half_year") }}' as half_year,
        area_indicators.indicator_code,
        area_indicators.dimension_code,
        area_indicators.value,
        area_indicators.unit,
        area_indicators.numerator,
        area_indicators.denominator,
        area_indicators.n_observations,
        area_indicators.goalpost_low,
        area_indicators.goalpost_high,
        area_indicators.score,
        area_indicators.weight,
        area_indicators.coverage_pct,
        area_indicators.status,
        area_indicators.missing_reason,
        area_indicators.value_level,
        area_indicators.feeds,
        {{ obs_status(
            'area_indicators.value',
            suppression='area_indicators.suppression',
            is_break='series_breaks.node_code is not null',
            missing_code='missing_reasons.obs_status'
        ) }} as obs_status,
        {{ conf_status('area_indicators.suppression') }} as conf_status
    from area_indicators
    left join missing_reasons
        on missing_reasons.reason_code = area_indicators.missing_reason
    left join series_breaks
        on series_breaks.area_level = area_indicators.area_level
            and series_breaks.area_id = area_indicators.area_id
            and series_breaks.node_code = area_indicators.indicator_code
)

select * from final
order by area_level, area_id, indicator_code
