with

demand_access as (
    select * from {{ ref('demand_access') }}
),

demand_points as (
    select * from {{ ref('int_demand_points') }}
),

not_snapped as (
    select * from {{ ref('stg_access_not_snapped') }}
    where point_type = 'building'
),

community_areas as (
    select * from {{ ref('int_community_areas') }}
),

kinds as (
    select * from {{ ref('int_kinds') }}
    where is_provided
),

facility_kinds as (
    select * from {{ ref('facility_kinds') }}
),

facilities as (
    select * from {{ ref('int_facilities') }}
    where operating_status = 'operating'
),

provision as (
    select * from {{ ref('int_provision') }}
),

supply as (
    select * from {{ ref('int_supply_per_head') }}
),

distances as (
    select * from {{ ref('int_kind_distances') }}
),

points as (
    select
        demand_access.*,
        demand_points.residents,
        case when demand_access.target_population is not null then demand_points.residents end as residents_known
    from demand_access
    inner join demand_points
        on demand_points.building_id = demand_access.building_id
),

community_sums as (
    select
        community_id,
        kind_code,
        sum(target_population) as target_population,
        sum(case when is_covered then target_population else 0 end) as covered_population,
        sum(case when is_covered_if_unverified_count then target_population else 0 end)
            as covered_population_if_unverified,
        sum(case when is_covered_euclidean then target_population else 0 end) as covered_population_euclidean,
        sum(case when is_covered_network then target_population else 0 end) as covered_population_network,
        sum(residents) as residents,
        sum(residents_known) as residents_known,
        {%- for radius_m in tier_radii_m() %}
        sum(case when {{ is_within('nearest_counting_distance_m', radius_m) }} then residents else 0 end)
            as residents_within_{{ radius_m }}_m,
        sum(case when {{ is_within('nearest_facility_distance_m', radius_m) }} then residents else 0 end)
            as residents_any_within_{{ radius_m }}_m,
        {%- endfor %}
        min(nearest_counting_distance_m) as nearest_counting_distance_m
    from points
    group by community_id, kind_code
),

community_nearest as (
    select
        community_sums.community_id,
        community_sums.kind_code,
        community_sums.nearest_counting_distance_m,
        min(points.nearest_counting_facility_id) as nearest_counting_facility_id
    from community_sums
    inner join points
        on points.community_id = community_sums.community_id
            and points.kind_code = community_sums.kind_code
            and points.nearest_counting_distance_m = community_sums.nearest_counting_distance_m
    group by community_sums.community_id, community_sums.kind_code, community_sums.nearest_counting_distance_m
),

community_facilities as (
    select
        community_id,
        kind_code,
        count(*) as facilities,
        {{ count_where(counts('facility_status')) }} as facilities_counting,
        {{ exact_sum('floor_area_m2') }} as floor_area_m2,
        {{ exact_sum('land_area_m2') }} as land_area_m2,
        sum(capacity) as capacity
    from facilities
    group by community_id, kind_code
),

community_not_snapped as (
    select
        demand_points.community_id,
        count(*) as points
    from demand_points
    inner join not_snapped
        on not_snapped.point_id = demand_points.building_id
    group by demand_points.community_id
),

area_sums as (
    select
        community_areas.area_level,
        community_areas.area_id,
        kinds.kind_code,
        kinds.target_group,
        coalesce(sum(community_sums.residents), 0) as residents,
        coalesce(sum(community_sums.residents_known), 0) as residents_known,
        coalesce(sum(community_sums.target_population), 0) as target_population,
        coalesce(sum(community_sums.covered_population), 0) as covered_population,
        coalesce(sum(community_sums.covered_population_if_unverified), 0) as covered_population_if_unverified,
        coalesce(sum(community_sums.covered_population_euclidean), 0) as covered_population_euclidean,
        coalesce(sum(community_sums.covered_population_network), 0) as covered_population_network,
        {%- for radius_m in tier_radii_m() %}
        coalesce(sum(community_sums.residents_within_{{ radius_m }}_m), 0) as residents_within_{{ radius_m }}_m,
        coalesce(sum(community_sums.residents_any_within_{{ radius_m }}_m), 0) as residents_any_within_{{ radius_m }}_m,
        {%- endfor %}
        min(community_sums.nearest_counting_distance_m) as nearest_counting_distance_m,
        coalesce(sum(community_facilities.facilities), 0) as facilities,
        coalesce(sum(community_facilities.facilities_counting), 0) as facilities_counting,
        {{ exact_sum('community_facilities.floor_area_m2') }} as floor_area_m2,
        {{ exact_sum('community_facilities.land_area_m2') }} as land_area_m2,
        sum(community_facilities.capacity) as capacity,
        coalesce(sum(community_not_snapped.points), 0) as points_not_snapped
    from community_areas
    cross join kinds
    left join community_sums
        on community_sums.community_id = community_areas.community_id
            and community_sums.kind_code = kinds.kind_code
    left join community_facilities
        on community_facilities.community_id = community_areas.community_id
            and community_facilities.kind_code = kinds.kind_code
    left join community_not_snapped
        on community_not_snapped.community_id = community_areas.community_id
    group by community_areas.area_level, community_areas.area_id, kinds.kind_code, kinds.target_group
),

area_nearest as (
    select
        area_sums.area_level,
        area_sums.area_id,
        area_sums.kind_code,
        min(community_nearest.nearest_counting_facility_id) as nearest_counting_facility_id
    from area_sums
    inner join community_areas
        on community_areas.area_level = area_sums.area_level
            and community_areas.area_id = area_sums.area_id
    inner join community_nearest
        on community_nearest.community_id = community_areas.community_id
            and community_nearest.kind_code = area_sums.kind_code
            and community_nearest.nearest_counting_distance_m = area_sums.nearest_counting_distance_m
    group by area_sums.area_level, area_sums.area_id, area_sums.kind_code
),

judged as (
    select
        *,
        {{ reaches_share('residents_known', 'residents', 'indicator_min_coverage') }} as is_group_known,
        target_population >= {{ scoring('population_n_min') }} as is_large_enough
    from area_sums
),

final as (
    select
        judged.area_level,
        judged.area_id,
        judged.kind_code,
        judged.target_group,
        cast(case when judged.is_group_known then judged.target_population end as bigint) as target_population,
        {%- for suffix in ['', '_euclidean', '_network'] %}
        cast(case when judged.is_group_known then judged.covered_population{{ suffix }} end as bigint)
            as covered_population{{ suffix }},
        case
            when judged.is_group_known and judged.is_large_enough
                then cast(100.0 * judged.covered_population{{ suffix }} / judged.target_population as double)
        end as covered_pct{{ suffix }},
        {%- endfor %}
        cast(case when judged.is_group_known then judged.covered_population_if_unverified end as bigint)
            as covered_population_if_unverified,
        {%- for radius_m in tier_radii_m() %}
        cast(judged.residents_within_{{ radius_m }}_m as bigint) as residents_within_{{ radius_m }}_m,
        cast(judged.residents_any_within_{{ radius_m }}_m as bigint) as residents_any_within_{{ radius_m }}_m,
        {%- endfor %}
        cast(judged.facilities as bigint) as facilities,
        cast(judged.facilities_counting as bigint) as facilities_counting,
        judged.floor_area_m2,
        judged.land_area_m2,
        cast(judged.capacity as bigint) as capacity,
        case when judged.is_group_known then distances.median_distance_m end as median_distance_m,
        case when judged.is_group_known then distances.p90_distance_m end as p90_distance_m,
        area_nearest.nearest_counting_facility_id,
        judged.nearest_counting_distance_m,
        case when judged.is_group_known then distances.median_detour_ratio end as median_detour_ratio,
        cast(judged.points_not_snapped as bigint) as points_not_snapped,
        provision.provision_value,
        provision.provision_unit,
        provision.provision_standard,
        provision.provision_gap,
        case
            when judged.is_group_known and judged.is_large_enough
                and coalesce(supply.facilities_known, 1) > 0  -- nothing in reach is 0, of unknown size is not known
                then 1000 * coalesce(supply.supply, 0) / judged.target_population
        end as supply_2sfca_per_1000,
        {{ measure_unit('facility_kinds') }} as supply_unit,
        cast(100.0 * supply.facilities_known / supply.facilities_in_reach as double) as supply_known_pct,
        {{ obs_status(
            'case when judged.is_group_known and judged.is_large_enough then judged.covered_population end',
            missing_code="case when judged.is_group_known and judged.target_population = 0 then 'M' else 'L' end"
        ) }} as obs_status,
        {{ conf_status() }} as conf_status
    from judged
    inner join facility_kinds
        on facility_kinds.kind_code = judged.kind_code
    left join distances
        on distances.area_level = judged.area_level
            and distances.area_id = judged.area_id
            and distances.kind_code = judged.kind_code
    left join area_nearest
        on area_nearest.area_level = judged.area_level
            and area_nearest.area_id = judged.area_id
            and area_nearest.kind_code = judged.kind_code
    left join provision
        on provision.area_level = judged.area_level
            and provision.area_id = judged.area_id
            and provision.kind_code = judged.kind_code
    left join supply
        on supply.area_level = judged.area_level
            and supply.area_id = judged.area_id
            and supply.kind_code = judged.kind_code
)

select * from final
order by area_level, area_id, kind_code
