{{ config(materialized='table') }}

with

demand_access as (
    select * from {{ ref('demand_access') }}
),

not_snapped as (
    select * from {{ ref('stg_access_not_snapped') }}
    where point_type = 'building'
),

community_areas as (
    select * from {{ ref('int_community_areas') }}
),

points as (
    select
        demand_access.*,
        not_snapped.point_id is null as is_snapped
    from demand_access
    left join not_snapped
        on not_snapped.point_id = demand_access.building_id
),

-- in whole metres, rounded up, and in hundredths, so that a large city needs a histogram and not a sorted list
point_measures as (
    select
        community_id,
        kind_code,
        'distance' as measure,
        cast(ceil(nearest_counting_distance_m) as bigint) as measured,
        target_population
    from points
    union all
    -- who has one by straight line and no walk to it has the worst detour; an estimated walk says nothing of detours
    select
        community_id,
        kind_code,
        'detour' as measure,
        cast(round(100 * nearest_counting_network_m / nearest_counting_euclidean_m) as bigint) as measured,
        target_population
    from points
    where
        {{ headline('false', 'true') }}
        and is_snapped
        and coalesce(network_basis, 'network') = 'network'
        and nearest_counting_euclidean_m > 0
),

community_measures as (
    select
        community_id,
        kind_code,
        measure,
        measured,
        sum(target_population) as target_population
    from point_measures
    where target_population > 0
    group by community_id, kind_code, measure, measured
),

area_measures as (
    select
        community_areas.area_level,
        community_areas.area_id,
        community_measures.kind_code,
        community_measures.measure,
        community_measures.measured,
        sum(community_measures.target_population) as target_population
    from community_areas
    inner join community_measures
        on community_measures.community_id = community_areas.community_id
    group by
        community_areas.area_level,
        community_areas.area_id,
        community_measures.kind_code,
        community_measures.measure,
        community_measures.measured
),

-- the people served best come first; those out of reach are the last, and have no distance
cumulative_measures as (
    select
        *,
        sum(target_population) over (
            partition by area_level, area_id, kind_code, measure
            order by measured nulls last
            rows between unbounded preceding and current row
        ) as people_so_far,
        sum(target_population) over (partition by area_level, area_id, kind_code, measure) as people_in_all
    from area_measures
),

final as (
    select
        area_level,
        area_id,
        kind_code,
        cast(
            min(case when measure = 'distance' and 2 * people_so_far >= people_in_all then measured end) as double
        ) as median_distance_m,
        cast(
            min(case when measure = 'distance' and 10 * people_so_far >= 9 * people_in_all then measured end) as double
        ) as p90_distance_m,
        cast(
            min(case when measure = 'detour' and 2 * people_so_far >= people_in_all then measured end) / 100.0 as double
        ) as median_detour_ratio
    from cumulative_measures
    group by area_level, area_id, kind_code
)

select * from final
