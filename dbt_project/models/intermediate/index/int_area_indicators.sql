{{ config(materialized='table') }}

with

ratios as (
    select * from {{ ref('int_area_ratios') }}
),

indicators as (
    select * from {{ ref('int_indicators') }}
),

inputs as (
    select * from {{ ref('int_index_inputs') }}
),

scores as (
    select * from {{ ref('int_index_scores') }}
    where index_code = 'headline'
),

final as (
    select
        ratios.area_level,
        ratios.area_id,
        ratios.indicator_code,
        ratios.numerator,
        ratios.denominator,
        ratios.n_observations,
        ratios.coverage_pct,
        indicators.dimension_code,
        indicators.unit,
        indicators.direction,
        indicators.goalpost_low,
        indicators.goalpost_high,
        indicators.weight,
        indicators.feeds,
        indicators.level as value_level,
        inputs.value,
        scores.score,
        case
            when ratios.missing_reason is not null then 'insufficient_data'
            when indicators.is_scored and scores.score is null then 'no_comparison'
            else 'ok'
        end as status,
        -- what is scored by comparison with others has a value alone, such as that of the only city
        case
            when ratios.missing_reason is not null then ratios.missing_reason
            when indicators.is_scored and scores.score is null then 'no_comparison'
        end as missing_reason,
        ratios.suppression
    from ratios
    inner join indicators
        on indicators.indicator_code = ratios.indicator_code
    inner join inputs
        on inputs.area_level = ratios.area_level
            and inputs.area_id = ratios.area_id
            and inputs.node_code = ratios.indicator_code
    left join scores
        on scores.area_level = ratios.area_level
            and scores.area_id = ratios.area_id
            and scores.node_code = ratios.indicator_code
)

select * from final
