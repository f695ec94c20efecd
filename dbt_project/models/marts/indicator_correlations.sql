with

correlations as (
    select * from {{ ref('stg_uncertainty_correlations') }}
),

indicators as (
    select * from {{ ref('int_indicators') }}
),

final as (
    select
        correlations.node_a as indicator_code,
        correlations.node_b as other_indicator_code,
        indicators.dimension_code,
        other_indicators.dimension_code as other_dimension_code,
        correlations.n as communities,
        correlations.pearson,
        correlations.spearman,
        correlations.finding,
        {{ obs_status('correlations.pearson') }} as obs_status,
        {{ conf_status() }} as conf_status
    from correlations
    inner join indicators
        on correlations.node_a = indicators.indicator_code
    inner join indicators as other_indicators
        on correlations.node_b = other_indicators.indicator_code
)

select * from final
order by indicator_code, other_indicator_code
