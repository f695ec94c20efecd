with

programmes as (
    select * from {{ ref('stg_renewal_frontier_projects') }}
),

candidates as (
    select * from {{ ref('int_project_candidates') }}
),

sites as (
    select * from {{ ref('stg_renewal_sites') }}
),

effects as (
    select * from {{ ref('stg_renewal_effects') }}
    where area_level = 'city' and node_code = 'index'
),

final as (
    select
        programmes.objective_code,
        programmes.budget_cny,
        programmes.candidate_id,
        candidates.community_id,
        candidates.county_id,
        candidates.kind_code,
        sites.site_id,
        sites.site_type,
        programmes.cost_cny,
        sites.predicted_covered_population,
        coalesce(effects.points, 0) as city_points,
        {{ obs_status('programmes.cost_cny', is_estimated='true') }} as obs_status,
        {{ conf_status() }} as conf_status
    from programmes
    inner join candidates
        on programmes.candidate_id = candidates.candidate_id
    inner join sites
        on programmes.candidate_id = sites.candidate_id
    left join effects
        on programmes.candidate_id = effects.candidate_id
)

select * from final
order by objective_code, budget_cny, candidate_id
