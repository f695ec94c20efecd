{{ config(materialized='table') }}

with

subjects as (
    select * from {{ ref('int_candidate_subjects') }}
),

communities as (
    select * from {{ ref('stg_communities') }}
),

residents as (
    select * from {{ ref('int_community_areas') }}
    where area_level = 'community'
),

needs as (
    select * from {{ ref('int_candidate_needs') }}
),

rules as (
    select * from {{ ref('renewal_rules') }}
),

reasons as (
    select * from {{ ref('renewal_reasons') }}
),

costs as (
    select * from {{ ref('renewal_costs') }}
),

pool_rules as (
    select * from {{ ref('renewal_pool_rules') }}
),

fitting as (
    select
        subjects.*,
        rules.means_code,
        rules.needs_land,
        rules.needs_demolition,
        rules.needs_plan_amendment,
        rules.is_macro,
        rules.duration_months,
        row_number() over (partition by subjects.candidate_id order by rules.rule_order) as rule_rank
    from subjects
    inner join rules
        on
            rules.subject_code in (subjects.subject_code, '*')
            and rules.reason_code in (subjects.reason_code, '*')
),

sized as (
    select
        fitting.*,
        reasons.cost_share,
        reasons.size_gap_share as size_gap_share_by_reason,
        -- what counts has the least size, and what closes the gap as much as is lacking
        case
            when coalesce(
                fitting.min_size_m2,
                fitting.area_gap_m2,
                case when fitting.capacity_unit = 'm2' then fitting.capacity_gap end
            ) is not null
                then greatest(
                    coalesce(fitting.min_size_m2, 0),
                    coalesce(fitting.area_gap_m2, 0),
                    case when fitting.capacity_unit = 'm2' then coalesce(fitting.capacity_gap, 0) else 0 end
                )
        end as size_m2
    from fitting
    inner join reasons
        on fitting.reason_code = reasons.reason_code
    where fitting.rule_rank = 1
),

-- an estimate by the thousand; counts of reports are told rounded, so that no rate gives the exact ones back
estimated as (
    select
        sized.*,
        round(
            sized.cost_share * (costs.fixed_cny + costs.cost_per_m2_cny * coalesce(sized.size_m2, 0)) / 1000
        ) * 1000 as cost_cny,
        {{ rounded_count('sized.reports') }} as reports_told,
        residents.residents
    from sized
    inner join residents
        on sized.community_id = residents.area_id
    left join costs
        on sized.subject_code = costs.subject_code
),

judged as (
    select
        estimated.*,
        case
            when
                estimated.is_macro
                or estimated.needs_land
                or estimated.needs_demolition
                or estimated.needs_plan_amendment
                or estimated.communities >= {{ scoring('project_macro_communities_min') }}
                or estimated.streets > {{ scoring('project_micro_streets_max') }}
                or estimated.duration_months > {{ scoring('project_micro_months_max') }}
                or coalesce(estimated.cost_cny > {{ scoring('micro_cost_cap_cny') }}, true)
                then 'macro'
            else 'micro'
        end as scale_code,
        coalesce(cast(estimated.uncovered_population as double) / estimated.target_population, 0) as uncovered_share,
        coalesce(estimated.size_gap_share, estimated.size_gap_share_by_reason) as size_gap_share_judged,
        coalesce(needs.important_pct / 100, 0) as need_share,
        case
            when estimated.residents > 0
                then least(
                    1000.0 * estimated.reports_told / estimated.residents
                    / {{ scoring('project_reports_per_1000') }},
                    1
                )
            else 0
        end as reports_share
    from estimated
    left join needs
        on
            estimated.community_id = needs.community_id
            and estimated.subject_code = needs.subject_code
),

weighted as (
    select
        *,
        cast(round(100 * {{ priority_weight('uncovered') }} * uncovered_share, 2) as double) as priority_uncovered,
        cast(round(100 * {{ priority_weight('size_gap') }} * size_gap_share_judged, 2) as double)
            as priority_size_gap,
        cast(round(100 * {{ priority_weight('need') }} * need_share, 2) as double) as priority_need,
        cast(round(100 * {{ priority_weight('reports') }} * reports_share, 2) as double) as priority_reports
    from judged
),

scored as (
    select
        *,
        round(priority_uncovered + priority_size_gap + priority_need + priority_reports, 2) as priority_score
    from weighted
),

pooled as (
    select
        scored.candidate_id,
        pool_rules.pool_code,
        row_number() over (partition by scored.candidate_id order by pool_rules.rule_order) as pool_rank
    from scored
    inner join pool_rules
        on
            scored.scale_code = pool_rules.scale_code
            and pool_rules.reason_code in (scored.reason_code, '*')
            and scored.priority_score >= pool_rules.priority_score_min
),

final as (
    select
        scored.candidate_id,
        scored.origin_code,
        scored.community_id,
        communities.street_id,
        communities.county_id,
        scored.kind_code,
        scored.category_code,
        scored.reason_code,
        scored.first_seen_half_year,
        '{{ var("half_year") }}' as last_seen_half_year,
        scored.action_code,
        scored.means_code,
        scored.scale_code,
        scored.needs_land,
        scored.duration_months,
        pooled.pool_code,
        scored.target_group,
        scored.target_population,
        scored.uncovered_population,
        scored.uncovered_elder_population,
        scored.uncovered_child_population,
        scored.area_gap_m2,
        scored.capacity_gap,
        scored.capacity_unit,
        scored.size_m2,
        scored.cost_cny,
        scored.reports_told as reports,
        scored.priority_score,
        scored.priority_uncovered,
        scored.priority_size_gap,
        scored.priority_need,
        scored.priority_reports,
        {{ geometry_x(geometry_unprojected(geometry_point('scored.x_m', 'scored.y_m'))) }} as lon,
        {{ geometry_y(geometry_unprojected(geometry_point('scored.x_m', 'scored.y_m'))) }} as lat,
        scored.x_m,
        scored.y_m
    from scored
    inner join communities
        on scored.community_id = communities.community_id
    left join pooled
        on
            scored.candidate_id = pooled.candidate_id
            and pooled.pool_rank = 1
)

select * from final
order by candidate_id
