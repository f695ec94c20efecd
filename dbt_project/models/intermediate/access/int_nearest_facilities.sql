{{ config(materialized='table') }}

with

reach as (
    select * from {{ ref('int_reach') }}
),

nearest as (
    select
        building_id,
        kind_code,
        {{ nearest('distance_m', 'facility_id', "true") }} as facility,
        {{ nearest('distance_m', 'facility_id', "facility_status = 'compliant'") }} as counting_facility,
        {{ nearest('distance_m', 'facility_id', "facility_status in ('compliant', 'unverified')") }}
            as possible_facility
    from reach
    group by building_id, kind_code
),

final as (
    select
        nearest.building_id,
        nearest.kind_code,
        nearest.facility.facility_id as nearest_facility_id,
        nearest.facility.distance_m as nearest_facility_distance_m,
        nearest.counting_facility.facility_id as nearest_counting_facility_id,
        nearest.counting_facility.distance_m as nearest_counting_distance_m,
        nearest.possible_facility.distance_m as nearest_possible_distance_m
    from nearest
)

select * from final
