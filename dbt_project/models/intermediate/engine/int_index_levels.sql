{{ config(materialized='table') }}

{% set spec = var('index_spec', {}) -%}
{% set steps = range(1, spec.get('steps', 2) + 1) -%}
with

nodes as (
    select
        index_code,
        node_code,
        parent_code,
        step,
        weight,
        direction,
        value_decimals,
        normalisation,
        {{ transformed('goalpost_low', 'transform') }} as goalpost_low,
        {{ transformed('goalpost_high', 'transform') }} as goalpost_high,
        {{ transformed('target', 'transform') }} as target,
        normalisation_constant,
        scale_low,
        scale_high,
        ties,
        rank_share,
        deviation,
        mean,
        floor,
        min_share,
        decimals,
        rounding
    from {{ ref('int_index_nodes') }}
),

valued_0 as (
    select
        leaves.index_code,
        leaves.area_level,
        leaves.area_id,
        leaves.node_code,
        leaves.value,
        case
            when outliers.lowest is null or leaves.transformed_value is null then leaves.transformed_value
            else least(greatest(leaves.transformed_value, outliers.lowest), outliers.highest)
        end as used,
        leaves.is_imputed,
        cast(null as double) as scored_weight
    from {{ ref('int_index_leaves') }} as leaves
    left join {{ ref('int_index_outliers') }} as outliers
        on outliers.index_code = leaves.index_code
            and outliers.area_level = leaves.area_level
            and outliers.node_code = leaves.node_code
),

{{ scored_ctes(0) }}

{% for step in steps -%}
-- step {{ step }}: what the nodes below hand on, whatever step they are of
summed_{{ step }} as (
    select
        children.index_code,
        children.parent_code as node_code,
        scored.area_level,
        scored.area_id,
        {{ exact_sum('children.weight') }} as weight,
        {{ exact_sum('case when scored.score is not null then children.weight else 0 end') }} as scored_weight,
        {{ exact_sum('children.weight * scored.available_pct') }} as available,
        {{ exact_sum('children.weight * scored.score') }} as weighted_scores,
        {{ exact_sum(
            'case when scored.score is not null'
            ~ ' then children.weight * ln(greatest(scored.score, coalesce(parents.floor, 1))) end'
        ) }} as weighted_logarithms,
        {{ exact_sum(
            'case when scored.score is not null'
            ~ ' then children.weight / greatest(scored.score, coalesce(parents.floor, 1)) end'
        ) }} as weighted_inverses
    from (
        {%- for lower in range(step) %}
        select * from scored_{{ lower }}
        {%- if not loop.last %}
        union all
        {%- endif %}
        {%- endfor %}
    ) as scored
    inner join nodes as children
        on children.index_code = scored.index_code
            and children.node_code = scored.node_code
    inner join nodes as parents
        on parents.index_code = children.index_code
            and parents.node_code = children.parent_code
    where parents.step = {{ step }}
    group by children.index_code, children.parent_code, scored.area_level, scored.area_id
),

-- with enough of the weight, the weights of what has a score count as all
meant_{{ step }} as (
    select
        summed.*,
        nodes.value_decimals,
        nodes.rounding,
        case
            when
                summed.scored_weight > 0
                and {{ reaches('summed.scored_weight', 'nodes.min_share', 'summed.weight') }}
                then
                    case nodes.mean
                        when 'sum' then summed.weighted_scores
                        when 'geometric' then exp(summed.weighted_logarithms / summed.scored_weight)
                        when 'harmonic' then summed.scored_weight / summed.weighted_inverses
                        else summed.weighted_scores / summed.scored_weight
                    end
        end as value
    from summed_{{ step }} as summed
    inner join nodes
        on nodes.index_code = summed.index_code
            and nodes.node_code = summed.node_code
),

valued_{{ step }} as (
    select
        index_code,
        area_level,
        area_id,
        node_code,
        {{ rounded('value', 'value_decimals', 'rounding') }} as value,
        {{ rounded('value', 'value_decimals', 'rounding') }} as used,
        false as is_imputed,
        available / nullif(weight, 0) as available_pct,
        scored_weight
    from meant_{{ step }}
),

{{ scored_ctes(step) }}

{% endfor -%}
final as (
    {%- for step in range(steps | length + 1) %}
    select * from scored_{{ step }}
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
)

select * from final
