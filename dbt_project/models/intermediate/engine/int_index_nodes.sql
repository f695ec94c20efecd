{{ config(materialized='table') }}

{% set spec = var('index_spec', {}) -%}
{% set limits = {'floor': 'geometric_floor', 'min_share': 'unit_min_weight_available'} -%}
with

{% if spec -%}
final as (
    select * from {{ parquet_file(spec.nodes) }}
)
{%- else -%}
levels as (
    select * from {{ ref('index_levels') }}
),

indicators as (
    select * from {{ ref('int_indicators') }}
    where is_scored
),

dimensions as (
    select * from {{ ref('dimensions') }}
),

named as (
    select
        'indicator' as level,
        0 as step,
        indicator_code as node_code,
        dimension_code as parent_code,
        weight,
        direction,
        coalesce(normalisation, 'goalposts') as normalisation,
        coalesce(outliers, 'none') as outliers,
        goalpost_low,
        goalpost_high,
        target
    from indicators
    union all
    select
        'dimension' as level,
        1 as step,
        dimension_code as node_code,
        'index' as parent_code,
        weight_pct as weight,
        1 as direction,
        'none' as normalisation,
        'none' as outliers,
        null as goalpost_low,
        null as goalpost_high,
        null as target
    from dimensions
    union all
    select
        'index' as level,
        2 as step,
        'index' as node_code,
        null as parent_code,
        100 as weight,
        1 as direction,
        'none' as normalisation,
        'none' as outliers,
        null as goalpost_low,
        null as goalpost_high,
        null as target
),

final as (
    select
        levels.index_code,
        named.node_code,
        named.parent_code,
        named.step,
        case levels.weights when 'equal' then 1 else named.weight end as weight,
        named.direction,
        cast(null as integer) as value_decimals,
        'none' as imputation,
        'none' as transform,
        coalesce(levels.outliers, named.outliers) as outliers,
        levels.outliers_pct,
        levels.outliers_points,
        levels.outliers_skewness,
        levels.outliers_kurtosis,
        coalesce(levels.normalisation, named.normalisation) as normalisation,
        named.goalpost_low,
        named.goalpost_high,
        named.target,
        levels.normalisation_constant,
        levels.scale_low,
        levels.scale_high,
        levels.ties,
        levels.rank_share,
        levels.deviation,
        levels.mean,
        {% for limit, parameter in limits.items() -%}
        case when levels.mean is not null then coalesce(levels.{{ limit }}, {{ scoring(parameter) }}) end as {{ limit }},
        {% endfor -%}
        cast(null as integer) as decimals,
        'half_up' as rounding,
        'highest' as rank_one
    from levels
    inner join named
        on named.level = levels.level
)
{%- endif %}

select * from final
