{{ config(materialized='table') }}

with

ratios as (
    select * from {{ ref('int_area_ratios') }}
),

indicators as (
    select * from {{ ref('indicators') }}
),

with_values as (
    select
        ratios.*,
        indicators.dimension_code,
        indicators.unit,
        indicators.direction,
        indicators.goalpost_low,
        indicators.goalpost_high,
        indicators.weight,
        indicators.level as value_level,
        indicators.multiplier * ratios.numerator / ratios.denominator as value
    from ratios
    inner join indicators
        on indicators.indicator_code = ratios.indicator_code
),

final as (
    select
        *,
        {{ goalpost_score('value', 'goalpost_low', 'goalpost_high', 'direction') }} as score,
        case when missing_reason is null then 'ok' else 'insufficient_data' end as status
    from with_values
)

select * from final
