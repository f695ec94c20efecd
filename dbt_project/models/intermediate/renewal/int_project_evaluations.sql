{{ config(materialized='table') }}

with

decisions as (
    select * from {{ ref('int_project_decisions') }}
    where status_code = 'delivered'
        -- built after the half-year's end, it is in no number of this release
        and cast(delivered_on as timestamp) < {{ local_time(utc_var('period_end')) }}
),

candidates as (
    select * from {{ ref('int_project_candidates') }}
),

releases as (
    select * from {{ known_releases() }} as known_releases
),

earlier_projects as (
    select * from {{ ref('int_earlier_projects') }}
),

earlier_kind_access as (
    select * from {{ ref('int_earlier_kind_access') }}
),

kind_access as (
    select * from {{ ref('kind_access') }}
    where area_level = 'community'
),

earlier_scores as (
    select * from {{ ref('int_earlier_scores') }}
    where area_level = 'community' and node_code = 'index'
),

area_index as (
    select * from {{ ref('int_area_index') }}
    where area_level = 'community'
),

-- the last release that looked at the place before the project was built
baselines as (
    select
        decisions.project_id,
        max(releases.half_year) as half_year
    from decisions
    inner join releases
        on {{ local_time('releases.period_end') }} <= cast(decisions.delivered_on as timestamp)
    group by decisions.project_id
),

measured as (
    select
        decisions.project_id,
        baselines.half_year as baseline_half_year,
        coalesce(
            earlier_projects.predicted_covered_in_community, decisions.predicted_covered_in_community
        ) as predicted_covered_in_community,
        kind_access.covered_population - earlier_kind_access.covered_population as measured_covered_in_community,
        coalesce(
            earlier_projects.predicted_community_points, decisions.predicted_community_points
        ) as predicted_community_points,
        area_index.index_score - earlier_scores.score as measured_community_points,
        candidates.candidate_id is not null as is_still_lacking
    from decisions
    left join candidates
        on candidates.candidate_id = decisions.candidate_id
    left join baselines
        on baselines.project_id = decisions.project_id
    left join earlier_projects
        on earlier_projects.half_year = baselines.half_year
            and earlier_projects.project_id = decisions.project_id
    left join kind_access
        on kind_access.area_id = decisions.community_id
            and kind_access.kind_code = decisions.kind_code
    left join earlier_kind_access
        on earlier_kind_access.half_year = baselines.half_year
            and earlier_kind_access.community_id = decisions.community_id
            and earlier_kind_access.kind_code = decisions.kind_code
    left join area_index
        on area_index.area_id = decisions.community_id
    left join earlier_scores
        on earlier_scores.half_year = baselines.half_year
            and earlier_scores.area_id = decisions.community_id
),

final as (
    select
        *,
        coalesce(predicted_covered_in_community, 0) > 0 and measured_covered_in_community is not null as is_measured,
        case
            when predicted_covered_in_community > 0 and measured_covered_in_community is not null then case
                when measured_covered_in_community
                    >= {{ renewal_limit('as_predicted_min') }} * predicted_covered_in_community
                    then 'as_predicted'
                when is_still_lacking and measured_covered_in_community
                    <= {{ renewal_limit('no_effect_max') }} * predicted_covered_in_community
                    then 'none'
                else 'less'
            end
            when is_still_lacking then 'none'
            else 'as_predicted'
        end as verdict_code
    from measured
)

select * from final
