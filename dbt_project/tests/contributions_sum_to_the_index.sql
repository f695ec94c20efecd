-- What the indicators contribute is the index, no more and no less; and their effective weights are all of it. A geometric or
-- harmonic index has no contributions.
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

roots as (
    select mean
    from {{ ref('int_index_nodes') }}
    where index_code = 'headline' and parent_code is null
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
    cross join roots
    where (
        roots.mean in ('arithmetic', 'sum')
        and (index_scores.index_score is null) <> (contributions.contribution_points is null)
    )
        or abs(index_scores.index_score - contributions.contribution_points) > 0.000000001
        or abs(contributions.effective_weight_pct - 100) > 0.000000001
)

select * from final
