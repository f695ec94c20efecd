{{ config(alias='indicators') }}   -- the seed of that name is in the schema `standard`; a name in dbt is unique

with

final as (
    select
        area_level,
        area_id,
        '{{ var("half_year") }}' as half_year,
        indicator_code,
        dimension_code,
        value,
        unit,
        numerator,
        denominator,
        n_observations,
        goalpost_low,
        goalpost_high,
        score,
        weight,
        coverage_pct,
        status,
        missing_reason,
        value_level,
        feeds
    from {{ ref('int_area_indicators') }}
)

select * from final
order by area_level, area_id, indicator_code
