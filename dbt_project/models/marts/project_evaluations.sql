with

evaluations as (
    select * from {{ ref('int_project_evaluations') }}
),

projects as (
    select * from {{ ref('projects') }}
),

final as (
    select
        projects.project_id,
        '{{ var("half_year") }}' as half_year,
        projects.community_id,
        projects.community_name,
        projects.county_id,
        projects.county_name,
        projects.kind_code,
        projects.category_code,
        projects.department,
        projects.delivered_on,
        projects.cost_cny,
        evaluations.baseline_half_year,
        evaluations.predicted_covered_in_community,
        evaluations.measured_covered_in_community,
        evaluations.measured_covered_in_community - evaluations.predicted_covered_in_community
            as covered_difference,
        evaluations.predicted_community_points,
        evaluations.measured_community_points,
        evaluations.measured_community_points - evaluations.predicted_community_points as points_difference,
        evaluations.is_still_lacking,
        evaluations.is_measured,
        evaluations.verdict_code,
        {{ obs_status('evaluations.measured_covered_in_community') }} as obs_status,
        {{ conf_status() }} as conf_status
    from evaluations
    inner join projects
        on projects.project_id = evaluations.project_id
)

select * from final
order by project_id
