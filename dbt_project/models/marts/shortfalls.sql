with

access as (
    select * from {{ ref('kind_access') }}
    where area_level = 'community'
),

demand_access as (
    select * from {{ ref('demand_access') }}
),

closed_in_reach as (
    select * from {{ ref('int_closed_in_reach') }}
),

area_gaps as (
    select * from {{ ref('int_area_gaps') }}
),

demand_points as (
    select * from {{ ref('int_demand_points') }}
),

previous_shortfalls as (
    select * from {{ ref('int_previous_shortfalls') }}
),

communities as (
    select * from {{ ref('stg_communities') }}
),

facility_kinds as (
    select * from {{ ref('facility_kinds') }}
),

points as (
    select
        *,
        not is_covered and coalesce(target_population, 0) > 0 as is_unserved
    from demand_access
),

-- what stands within the kind's radius of at least one demand point, and how near one that counts comes
reach as (
    select
        community_id,
        kind_code,
        {{ count_where('is_covered') }} > 0 as has_counting,
        {{ count_where('is_covered_if_unverified_count') }} > 0 as has_counting_or_unverified,
        {{ count_where(is_within('nearest_facility_distance_m', 'radius_m')) }} > 0 as has_operating,
        {{ count_where('is_unserved') }} > 0 as has_unserved,
        min(nearest_counting_distance_m) as nearest_to_any_m,
        min(case when is_unserved then nearest_counting_distance_m end) as nearest_to_unserved_m,
        min(nearest_counting_network_m) as walk_to_any_m,
        min(case when is_unserved then nearest_counting_network_m end) as walk_to_unserved_m
    from points
    group by community_id, kind_code
),

nearest as (
    select
        *,
        case when has_unserved then nearest_to_unserved_m else nearest_to_any_m end as nearest_counting_distance_m,
        case when has_unserved then walk_to_unserved_m else walk_to_any_m end as nearest_counting_network_m
    from reach
),

nearest_facilities as (
    select
        nearest.community_id,
        nearest.kind_code,
        min(points.nearest_counting_facility_id) as nearest_counting_facility_id
    from nearest
    inner join points
        on points.community_id = nearest.community_id
            and points.kind_code = nearest.kind_code
            and points.nearest_counting_distance_m = nearest.nearest_counting_distance_m
    where points.is_unserved or not nearest.has_unserved
    group by nearest.community_id, nearest.kind_code
),

-- who they are; a kind for one group leaves others uncovered as well
uncovered_groups as (
    select
        points.community_id,
        points.kind_code,
        {{ known_sum(population_of("'elder60'", 'demand_points'), 'demand_points.residents') }} as elder_population,
        {{ known_sum(population_of("'child0_15'", 'demand_points'), 'demand_points.residents') }} as child_population
    from points
    inner join demand_points
        on demand_points.building_id = points.building_id
    where not points.is_covered
    group by points.community_id, points.kind_code
),

judged as (
    select
        access.area_id as community_id,
        access.kind_code,
        access.target_group,
        access.target_population,
        access.target_population - access.covered_population as uncovered_population,
        access.covered_pct,
        access.provision_gap,
        area_gaps.area_gap_m2,
        access.covered_pct < {{ scoring('compliant_coverage_pct') }} as is_covered_too_little,
        coalesce(area_gaps.area_gap_m2 > 0, false) as is_area_short
    from access
    left join area_gaps
        on area_gaps.community_id = access.area_id
            and area_gaps.kind_code = access.kind_code
    where access.covered_pct is not null
),

with_status as (
    select
        judged.*,
        case
            when not judged.is_covered_too_little then 'undersized'
            when nearest.has_counting then 'uncovered'
            when nearest.has_counting_or_unverified then 'unverified'
            when nearest.has_operating then 'undersized'
            when closed_in_reach.kind_code is not null then 'closed'
            else 'missing'
        end as shortfall_status,
        nearest_facilities.nearest_counting_facility_id,
        nearest.nearest_counting_distance_m,
        nearest.nearest_counting_network_m
    from judged
    inner join nearest
        on nearest.community_id = judged.community_id
            and nearest.kind_code = judged.kind_code
    left join nearest_facilities
        on nearest_facilities.community_id = judged.community_id
            and nearest_facilities.kind_code = judged.kind_code
    left join closed_in_reach
        on closed_in_reach.community_id = judged.community_id
            and closed_in_reach.kind_code = judged.kind_code
    where judged.is_covered_too_little or judged.is_area_short
),

final as (
    select
        communities.community_id,
        communities.community_name,
        communities.county_id,
        communities.county_name,
        facility_kinds.kind_code,
        facility_kinds.name_zh as kind_name_zh,
        facility_kinds.name_en as kind_name_en,
        facility_kinds.obligation,
        with_status.shortfall_status,
        with_status.target_group,
        with_status.target_population,
        with_status.uncovered_population,
        case when uncovered_groups.kind_code is null then 0 else uncovered_groups.elder_population end
            as uncovered_elder_population,
        case when uncovered_groups.kind_code is null then 0 else uncovered_groups.child_population end
            as uncovered_child_population,
        with_status.covered_pct,
        with_status.area_gap_m2,
        case
            when facility_kinds.per_capita_unit <> 'm2 per 100 households' then with_status.provision_gap
        end as capacity_gap,
        case
            when
                facility_kinds.per_capita_unit <> 'm2 per 100 households' and with_status.provision_gap is not null
                then {{ measure_unit('facility_kinds') }}
        end as capacity_unit,
        with_status.nearest_counting_facility_id,
        with_status.nearest_counting_distance_m,
        with_status.nearest_counting_network_m,
        {{ walking_minutes('with_status.nearest_counting_network_m') }} as walking_minutes,
        coalesce(previous_shortfalls.first_seen_half_year, '{{ var("half_year") }}') as first_seen_half_year,
        '{{ var("half_year") }}' as last_seen_half_year,
        facility_kinds.action_code,
        {{ obs_status('with_status.covered_pct') }} as obs_status,
        {{ conf_status() }} as conf_status
    from with_status
    inner join communities
        on communities.community_id = with_status.community_id
    inner join facility_kinds
        on facility_kinds.kind_code = with_status.kind_code
    left join uncovered_groups
        on uncovered_groups.community_id = with_status.community_id
            and uncovered_groups.kind_code = with_status.kind_code
    left join previous_shortfalls
        on previous_shortfalls.community_id = with_status.community_id
            and previous_shortfalls.kind_code = with_status.kind_code
)

select * from final
order by community_id, kind_code
