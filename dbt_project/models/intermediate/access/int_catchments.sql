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

inside_circles as (
    select
        facilities.facility_id,
        facilities.kind_code,
        demand_points.community_id,
        demand_points.residents,
        {{ population_of('facilities.target_group', 'demand_points') }} as target_population
    from reach
    inner join facilities
        on reach.facility_id = facilities.facility_id
    inner join demand_points
        on reach.building_id = demand_points.building_id
    where {{ is_within('reach.distance_m', radius_of('facilities', 'demand_points')) }}
),

final as (
    select
        facility_id,
        kind_code,
        community_id,
        cast(sum(target_population) as bigint) as target_population,
        cast(sum(residents) as bigint) as residents,
        cast(sum(case when target_population is not null then residents else 0 end) as bigint) as residents_known
    from inside_circles
    group by facility_id, kind_code, community_id
)

select * from final
