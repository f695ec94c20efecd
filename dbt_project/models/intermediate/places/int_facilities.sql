{{ config(materialized='table') }}

with

facilities as (
    select * from {{ ref('stg_facilities') }}
),

facility_kinds as (
    select * from {{ ref('facility_kinds') }}
),

communities as (
    select * from {{ ref('stg_communities') }}
),

facility_communities as (
    select
        point_id as facility_id,
        community_id
    from {{ ref('int_point_communities') }}
    where point_type = 'facility'
),

-- three-valued on purpose: null is `not known`, which is neither enough nor too little
compared_with_minimum as (
    select
        facilities.*,
        case
            when facility_kinds.min_floor_area_m2 is null and facility_kinds.min_land_area_m2 is null
                then false
            when facility_kinds.min_area_subtype is null then true
            else facilities.subtype = facility_kinds.min_area_subtype
        end as has_minimum,
        case
            when facility_kinds.min_floor_area_m2 is null then true
            when facilities.floor_area_m2 is null then null
            when facilities.floor_area_m2 >= facility_kinds.min_floor_area_m2 then true
            when facilities.floor_area_m2 >= facility_kinds.relaxed_floor_area_m2
                then facilities.function_count >= facility_kinds.relaxed_function_count
            else false
        end as is_floor_enough,
        case
            when facility_kinds.min_land_area_m2 is null then true
            else facilities.land_area_m2 >= facility_kinds.min_land_area_m2
        end as is_land_enough
    from facilities
    inner join facility_kinds
        on facilities.kind_code = facility_kinds.kind_code
),

with_status as (
    select
        *,
        case
            when operating_status = 'planned' then 'planned'
            when operating_status <> 'operating' then 'closed'
            when has_minimum is false then 'compliant'
            when is_floor_enough and is_land_enough then 'compliant'
            when has_minimum and not (is_floor_enough and is_land_enough) then 'undersized'
            else 'unverified'
        end as facility_status
    from compared_with_minimum
),

final as (
    select
        with_status.facility_id,
        with_status.facility_name,
        with_status.kind_code,
        with_status.subtype,
        with_status.lon,
        with_status.lat,
        with_status.x_m,
        with_status.y_m,
        communities.community_id,
        communities.street_id,
        communities.county_id,
        with_status.floor_area_m2,
        with_status.land_area_m2,
        with_status.capacity,
        with_status.operating_status,
        with_status.facility_status,
        with_status.host_facility_id
    from with_status
    left join facility_communities
        on with_status.facility_id = facility_communities.facility_id
    left join communities
        on facility_communities.community_id = communities.community_id
)

select * from final
