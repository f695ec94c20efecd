with

demand_points as (
    select * from {{ ref('int_demand_points') }}
),

provided_kinds as (
    select * from {{ ref('int_kinds') }}
    where is_provided
),

nearest_facilities as (
    select * from {{ ref('int_nearest_facilities') }}
),

points_and_kinds as (
    select
        demand_points.building_id,
        demand_points.community_id,
        kinds.kind_code,
        kinds.target_group,
        cast({{ population_of('kinds.target_group', 'demand_points') }} as bigint) as target_population,
        {{ radius_of('kinds', 'demand_points') }} as radius_m
    from demand_points
    cross join provided_kinds as kinds
),

final as (
    select
        points_and_kinds.building_id,
        points_and_kinds.community_id,
        points_and_kinds.kind_code,
        points_and_kinds.target_group,
        points_and_kinds.target_population,
        points_and_kinds.radius_m,
        nearest_facilities.nearest_facility_id,
        nearest_facilities.nearest_facility_distance_m,
        nearest_facilities.nearest_counting_facility_id,
        nearest_facilities.nearest_counting_distance_m,
        {{ is_within('nearest_facilities.nearest_counting_distance_m', 'points_and_kinds.radius_m') }} as is_covered,
        {{ is_within('nearest_facilities.nearest_possible_distance_m', 'points_and_kinds.radius_m') }}
            as is_covered_if_unverified_count,
        nearest_facilities.nearest_counting_euclidean_id,
        nearest_facilities.nearest_counting_euclidean_m,
        {{ is_within('nearest_facilities.nearest_counting_euclidean_m', 'points_and_kinds.radius_m') }}
            as is_covered_euclidean,
        nearest_facilities.nearest_counting_network_id,
        nearest_facilities.nearest_counting_network_m,
        nearest_facilities.network_basis,
        {{ walking_minutes('nearest_facilities.nearest_counting_network_m') }} as walking_minutes,
        {{ is_within('nearest_facilities.nearest_counting_network_m', 'points_and_kinds.radius_m') }}
            as is_covered_network
    from points_and_kinds
    left join nearest_facilities
        on
            points_and_kinds.building_id = nearest_facilities.building_id
            and points_and_kinds.kind_code = nearest_facilities.kind_code
)

select * from final
order by kind_code, building_id
