with

demand_access as (
    select * from {{ ref('demand_access') }}
),

demand_points as (
    select * from {{ ref('int_demand_points') }}
),

community_areas as (
    select * from {{ ref('int_community_areas') }}
),

kinds as (
    select * from {{ ref('int_kinds') }}
    where is_provided
),

facilities as (
    select * from {{ ref('int_facilities') }}
    where operating_status = 'operating'
),

points as (
    select
        demand_access.*,
        demand_points.residents,
        case when demand_access.target_population is not null then demand_points.residents end as residents_known,
        -- in whole metres, rounded up, so that a large city needs a histogram and not a sorted list
        cast(ceil(demand_access.nearest_counting_distance_m) as bigint) as distance_m
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
        sum(residents) as residents,
        sum(residents_known) as residents_known,
        {%- for limit_m in [300, 500, 1000] %}
        sum(case when {{ is_within('nearest_counting_distance_m', limit_m) }} then residents else 0 end)
            as residents_within_{{ limit_m }}_m,
        sum(case when {{ is_within('nearest_facility_distance_m', limit_m) }} then residents else 0 end)
            as residents_any_within_{{ limit_m }}_m{{ ',' if not loop.last }}
        {%- endfor %}
    from points
    group by community_id, kind_code
),

community_distances as (
    select
        community_id,
        kind_code,
        distance_m,
        sum(residents) as residents
    from points
    group by community_id, kind_code, distance_m
),

community_facilities as (
    select
        community_id,
        kind_code,
        count(*) as facilities,
        {{ count_where("facility_status = 'compliant'") }} as facilities_counting,
        {{ exact_sum('floor_area_m2') }} as floor_area_m2,
        {{ exact_sum('land_area_m2') }} as land_area_m2,
        sum(capacity) as capacity
    from facilities
    group by community_id, kind_code
),

-- the residents served best come first; residents out of reach are the last, and have no distance
area_distances as (
    select
        community_areas.area_level,
        community_areas.area_id,
        community_distances.kind_code,
        community_distances.distance_m,
        sum(community_distances.residents) as residents
    from community_areas
    inner join community_distances
        on community_distances.community_id = community_areas.community_id
    group by
        community_areas.area_level,
        community_areas.area_id,
        community_distances.kind_code,
        community_distances.distance_m
),

cumulative_distances as (
    select
        *,
        sum(residents) over (
            partition by area_level, area_id, kind_code
            order by distance_m nulls last
            rows between unbounded preceding and current row
        ) as residents_so_far,
        sum(residents) over (partition by area_level, area_id, kind_code) as residents_in_all
    from area_distances
),

medians as (
    select
        area_level,
        area_id,
        kind_code,
        min(distance_m) as median_distance_m
    from cumulative_distances
    where 2 * residents_so_far >= residents_in_all
        and residents_in_all > 0
        and distance_m is not null
    group by area_level, area_id, kind_code
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
        {%- for limit_m in [300, 500, 1000] %}
        coalesce(sum(community_sums.residents_within_{{ limit_m }}_m), 0) as residents_within_{{ limit_m }}_m,
        coalesce(sum(community_sums.residents_any_within_{{ limit_m }}_m), 0) as residents_any_within_{{ limit_m }}_m,
        {%- endfor %}
        coalesce(sum(community_facilities.facilities), 0) as facilities,
        coalesce(sum(community_facilities.facilities_counting), 0) as facilities_counting,
        {{ exact_sum('community_facilities.floor_area_m2') }} as floor_area_m2,
        {{ exact_sum('community_facilities.land_area_m2') }} as land_area_m2,
        sum(community_facilities.capacity) as capacity
    from community_areas
    cross join kinds
    left join community_sums
        on community_sums.community_id = community_areas.community_id
            and community_sums.kind_code = kinds.kind_code
    left join community_facilities
        on community_facilities.community_id = community_areas.community_id
            and community_facilities.kind_code = kinds.kind_code
    group by community_areas.area_level, community_areas.area_id, kinds.kind_code, kinds.target_group
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
        cast(case when judged.is_group_known then judged.covered_population end as bigint) as covered_population,
        case
            when judged.is_group_known and judged.is_large_enough
                then cast(100.0 * judged.covered_population / judged.target_population as double)
        end as covered_pct,
        cast(case when judged.is_group_known then judged.covered_population_if_unverified end as bigint)
            as covered_population_if_unverified,
        {%- for limit_m in [300, 500, 1000] %}
        cast(judged.residents_within_{{ limit_m }}_m as bigint) as residents_within_{{ limit_m }}_m,
        cast(judged.residents_any_within_{{ limit_m }}_m as bigint) as residents_any_within_{{ limit_m }}_m,
        {%- endfor %}
        cast(judged.facilities as bigint) as facilities,
        cast(judged.facilities_counting as bigint) as facilities_counting,
        judged.floor_area_m2,
        judged.land_area_m2,
        cast(judged.capacity as bigint) as capacity,
        cast(medians.median_distance_m as double) as median_distance_m
    from judged
    left join medians
        on medians.area_level = judged.area_level
            and medians.area_id = judged.area_id
            and medians.kind_code = judged.kind_code
)

select * from final
order by area_level, area_id, kind_code
