with

states as (
    select * from {{ ref('int_project_states') }}
),

communities as (
    select * from {{ ref('stg_communities') }}
),

sites as (
    select * from {{ ref('stg_renewal_sites') }}
),

candidates as (
    select * from {{ ref('int_project_candidates') }}
),

effects as (
    select * from {{ ref('stg_renewal_effects') }}
    where node_code = 'index'
),

candidate_sites as (
    select * from {{ ref('int_candidate_sites') }}
),

placed as (
    select
        states.*,
        communities.community_id is not null as is_in_city,
        communities.community_name as name_now,
        communities.street_id as street_now,
        communities.street_name as street_name_now,
        communities.county_id as county_now,
        communities.county_name as county_name_now,
        -- what is built is predicted no more: it stays what was said of it before
        states.has_candidate and states.status_code in ('proposed', 'reserve', 'annual', 'under_way') as is_predicted
    from states
    left join communities
        on communities.community_id = states.community_id
),

points as (
    select
        placed.project_id,
        {%- for level in ('community', 'county', 'city') %}
        max(case when effects.area_level = '{{ level }}' then effects.points end) as {{ level }}_points
        {{- ',' if not loop.last }}
        {%- endfor %}
    from placed
    inner join effects
        on effects.candidate_id = placed.candidate_id
            and (
                effects.area_level = 'city'
                or (effects.area_level = 'community' and effects.area_id = placed.community_id)
                or (effects.area_level = 'county' and effects.area_id = placed.county_now)
            )
    where placed.is_predicted
    group by placed.project_id
),

sited as (
    select
        placed.*,
        placed.is_predicted and placed.site_basis = 'estimate' as is_sited_now,
        sites.site_id as found_site_id,
        -- what is reported stands where it is; a facility is still to be placed
        coalesce(sites.site_type, case when candidates.lon is not null then 'reported' end) as found_site_type,
        coalesce(sites.lon, candidates.lon) as found_lon,
        coalesce(sites.lat, candidates.lat) as found_lat,
        coalesce(sites.size_m2, placed.size_m2) as found_size_m2,
        sites.predicted_covered_population as found_covered_population,
        sites.predicted_covered_in_community as found_covered_in_community,
        candidate_sites.site_type as chosen_type,
        candidate_sites.lon as chosen_lon,
        candidate_sites.lat as chosen_lat,
        points.community_points as found_community_points,
        points.county_points as found_county_points,
        points.city_points as found_city_points
    from placed
    left join sites
        on sites.candidate_id = placed.candidate_id
    left join candidates
        on candidates.candidate_id = placed.candidate_id
    left join candidate_sites
        on candidate_sites.site_id = placed.site_id
            and placed.site_basis = 'department'
    left join points
        on points.project_id = placed.project_id
),

final as (
    select
        project_id,
        candidate_id,
        origin_code,
        project_name_zh,
        project_name_en,
        community_id,
        coalesce(name_now, community_name) as community_name,
        case when is_in_city then street_now else street_id end as street_id,
        case when is_in_city then street_name_now else street_name end as street_name,
        coalesce(county_now, county_id) as county_id,
        coalesce(county_name_now, county_name) as county_name,
        kind_code,
        category_code,
        reason_code,
        action_code,
        means_code,
        scale_code,
        pool_code,
        pool_basis,
        status_code,
        refresh_code,
        first_seen_half_year,
        last_seen_half_year,
        opened_half_year,
        closed_half_year,
        priority_score,
        priority_uncovered,
        priority_size_gap,
        priority_need,
        priority_reports,
        target_group,
        target_population,
        uncovered_population,
        uncovered_elder_population,
        uncovered_child_population,
        area_gap_m2,
        capacity_gap,
        capacity_unit,
        reports,
        case when is_predicted then found_size_m2 else size_m2 end as size_m2,
        case when is_sited_now then found_site_id else site_id end as site_id,
        case when is_sited_now then found_site_type else coalesce(chosen_type, site_type) end as site_type,
        case when is_sited_now then found_lon else coalesce(chosen_lon, site_lon) end as site_lon,
        case when is_sited_now then found_lat else coalesce(chosen_lat, site_lat) end as site_lat,
        site_basis,
        cost_cny,
        cost_basis,
        case
            when is_predicted then found_covered_population else predicted_covered_population
        end as predicted_covered_population,
        case
            when is_predicted then found_covered_in_community else predicted_covered_in_community
        end as predicted_covered_in_community,
        {%- for level in ('community', 'county', 'city') %}
        case
            when is_predicted then found_{{ level }}_points else predicted_{{ level }}_points
        end as predicted_{{ level }}_points,
        {%- endfor %}
        department,
        planned_start_on,
        planned_end_on,
        started_on,
        delivered_on,
        evidence,
        last_edited_at,
        case
            when refresh_code = 'without_effect' then 'without_effect'
            when
                status_code in ('proposed', 'reserve', 'annual', 'under_way')
                and cast(planned_end_on as timestamp) < {{ local_time(utc_var('period_end')) }}
                then 'overdue'
            when
                status_code in ('annual', 'under_way')
                and {{ hours_between('last_edited_at', utc_var('period_end')) }}
                > 24 * {{ renewal_limit('stalled_days') }}
                then 'stalled'
        end as supervision_code,
        has_conflict,
        {{ obs_status('priority_score') }} as obs_status,
        {{ conf_status() }} as conf_status
    from sited
)

select * from final
order by project_id
