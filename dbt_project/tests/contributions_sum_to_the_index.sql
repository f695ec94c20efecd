-- What the indicators contribute is the index, no more and no less; and their effective weights are all of it.
with

contributions as (
    select
        area_level,
        area_id,
        sum(contribution_points) as contribution_points,
        sum(effective_weight_pct) as effective_weight_pct
    from {{ ref('indicator_contributions') }}
    group by area_level, area_id
),

final as (
    select
        index_scores.area_level,
        index_scores.area_id,
        index_scores.index_score,
        contributions.contribution_points,
        contributions.effective_weight_pct
    from {{ ref('index_scores') }} as index_scores
    left join contributions
        on contributions.area_level = index_scores.area_level
            and contributions.area_id = index_scores.area_id
    where (index_scores.index_score is null) <> (contributions.contribution_points is null)
        or abs(index_scores.index_score - contributions.contribution_points) > 0.000000001
        or abs(contributions.effective_weight_pct - 100) > 0.000000001
)

select * from final
