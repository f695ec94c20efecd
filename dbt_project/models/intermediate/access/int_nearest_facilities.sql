{{ config(materialized='table') }}

with

nearest as (
    select * from {{ ref('stg_access_nearest') }}
),

-- whatever counts or might count operates, so where a class has a row this one has
operating as (
    select * from nearest
    where facility_class = 'operating'
),

counting as (
    select * from nearest
    where facility_class = 'counting'
),

possible as (
    select * from nearest
    where facility_class = 'possible'
),

final as (
    select
        operating.building_id,
        operating.kind_code,
        operating.euclidean_facility_id as nearest_euclidean_id,
        operating.euclidean_m as nearest_euclidean_m,
        operating.network_facility_id as nearest_network_id,
        operating.network_m as nearest_network_m,
        counting.euclidean_facility_id as nearest_counting_euclidean_id,
        counting.euclidean_m as nearest_counting_euclidean_m,
        counting.network_facility_id as nearest_counting_network_id,
        counting.network_m as nearest_counting_network_m,
        counting.network_basis,
        possible.euclidean_m as nearest_possible_euclidean_m,
        possible.network_m as nearest_possible_network_m,
        {{ headline('operating.euclidean_facility_id', 'operating.network_facility_id') }} as nearest_facility_id,
        {{ headline('operating.euclidean_m', 'operating.network_m') }} as nearest_facility_distance_m,
        {{ headline('counting.euclidean_facility_id', 'counting.network_facility_id') }}
            as nearest_counting_facility_id,
        {{ headline('counting.euclidean_m', 'counting.network_m') }} as nearest_counting_distance_m,
        {{ headline('possible.euclidean_m', 'possible.network_m') }} as nearest_possible_distance_m
    from operating
    left join counting
        on
            operating.building_id = counting.building_id
            and operating.kind_code = counting.kind_code
    left join possible
        on
            operating.building_id = possible.building_id
            and operating.kind_code = possible.kind_code
)

select * from final
