{{ config(materialized='table') }}

with

reach as (
    select
        building_id,
        facility_id,
        {{ headline('euclidean_m', 'network_m') }} as distance_m
    from {{ ref('stg_access_reach') }}
),

circle_facilities as (
    select * from {{ ref('int_circle_facilities') }}
),

kinds as (
    select * from {{ ref('int_kinds') }}
),

demand_points as (
    select * from {{ ref('int_demand_points') }}
),

facilities as (
    select
        circle_facilities.facility_id,
        kinds.*
    from circle_facilities
    inner join kinds
        on circle_facilities.kind_code = kinds.kind_code
),

final as (
    select
        facilities.facility_id,
        facilities.kind_code,
        demand_points.community_id,
        cast(sum({{ population_of('facilities.target_group', 'demand_points') }}) as bigint) as target_population
    from reach
    inner join facilities
        on reach.facility_id = facilities.facility_id
    inner join demand_points
        on reach.building_id = demand_points.building_id
    where {{ is_within('reach.distance_m', radius_of('facilities', 'demand_points')) }}
    group by facilities.facility_id, facilities.kind_code, demand_points.community_id
)

select * from final
