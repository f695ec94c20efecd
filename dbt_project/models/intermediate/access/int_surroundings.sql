{{ config(materialized='table') }}

with

demand_points as (
    select * from {{ ref('int_demand_points') }}
),

radii as (
    select
        max(case when indicator_code = 'CUL-2' then radius_m end) as culture_m,
        max(case when indicator_code = 'CNV-2' then radius_m end) as services_m
    from {{ ref('int_indicator_radii') }}
),

reach as (
    select * from {{ ref('stg_access_reach') }}
),

serving_facilities as (
    select * from {{ ref('int_serving_facilities') }}
),

supermarkets as (
    select * from {{ ref('stg_access_nearest') }}
    where facility_class = 'counting_supermarket'
),

surroundings as (
    select
        reach.building_id,
        serving_facilities.facility_id,
        serving_facilities.kind_code,
        serving_facilities.type_code,
        {{ headline('reach.euclidean_m', 'reach.network_m') }} as distance_m
    from reach
    inner join serving_facilities
        on reach.facility_id = serving_facilities.facility_id
),

inside_circles as (
    select
        surroundings.building_id,
        surroundings.kind_code,
        surroundings.type_code,
        count(*) as facilities
    from surroundings
    cross join radii
    where
        {{ is_within('surroundings.distance_m', "case
            when surroundings.kind_code in ('F12', 'F13') then radii.culture_m
            else radii.services_m
        end") }}
    group by surroundings.building_id, surroundings.kind_code, surroundings.type_code
),

counted as (
    select
        building_id,
        sum(case when kind_code = 'F12' then facilities else 0 end) as culture_centres,
        sum(case when kind_code = 'F13' then facilities else 0 end) as reading_spaces,
        count(distinct type_code) as service_types
    from inside_circles
    group by building_id
),

final as (
    select
        demand_points.building_id,
        cast(coalesce(counted.culture_centres, 0) as bigint) as culture_centres,
        cast(coalesce(counted.reading_spaces, 0) as bigint) as reading_spaces,
        coalesce(counted.service_types, 0) as service_types,
        {{ headline('supermarkets.euclidean_m', 'supermarkets.network_m') }} as nearest_supermarket_distance_m,
        -- one centre is the venue; any further centre is a cultural space like a reading space
        coalesce(
            counted.culture_centres >= {{ scoring('culture_venues_min') }}
            and counted.culture_centres + counted.reading_spaces
            >= {{ scoring('culture_venues_min') }} + {{ scoring('culture_spaces_min') }},
            false
        ) as is_in_culture_circle
    from demand_points
    left join counted
        on demand_points.building_id = counted.building_id
    left join supermarkets
        on demand_points.building_id = supermarkets.building_id
)

select * from final
