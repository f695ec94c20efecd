with

dimensions as (
    select * from {{ ref('int_area_dimensions') }}
),

-- a dimension that may not be scored has a null score and drops out of every sum below
sums as (
    select
        area_level,
        area_id,
        {{ exact_sum('weight_pct') }} as weight_pct,
        {{ exact_sum('weight_pct * weight_available_pct / 100') }} as available_weight_pct,
        {{ exact_sum("case when score is not null then weight_pct else 0 end") }} as scored_weight_pct,
        count(score) as scored_dimensions,
        {{ exact_sum('weight_pct * score') }} as weighted_scores,
        {{ exact_sum('score') }} as scores,
        {{ exact_sum(
            "case when score is not null then weight_pct * ln(greatest(score, " ~ scoring('geometric_floor') ~ ")) end"
        ) }} as weighted_logarithms
    from dimensions
    group by area_level, area_id
),

judged as (
    select
        *,
        scored_weight_pct > 0
        and {{ reaches_share('scored_weight_pct', 'weight_pct', 'unit_min_weight_available') }} as is_scored
    from sums
),

final as (
    select
        area_level,
        area_id,
        case when is_scored then weighted_scores / scored_weight_pct end as index_score,
        case when is_scored then scores / scored_dimensions end as index_score_equal_weights,
        case when is_scored then exp(weighted_logarithms / scored_weight_pct) end as index_score_geometric,
        100 * available_weight_pct / weight_pct as weight_available_pct,
        scored_weight_pct,
        case when is_scored then 'ok' else 'insufficient_data' end as status
    from judged
)

select * from final
