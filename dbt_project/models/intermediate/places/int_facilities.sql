{{ config(materialized='table') }}

with

facilities as (
    select * from {{ ref('stg_facilities') }}
),

facility_kinds as (
    select * from {{ ref('facility_kinds') }}
),

co_location_rules as (
    select * from {{ ref('co_location_rules') }}
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

-- as it was at the end of the half-year, whenever the register was written
at_period_end as (
    select
        *,
        case
            when operating_status = 'planned' then 'planned'
            when operating_status = 'closed' and coalesce(closed_on < {{ utc_var('period_end') }}, true) then 'closed'
            when
                closed_on < {{ utc_var('period_end') }}
                -- and it had not opened again
                and coalesce(opened_on <= closed_on or opened_on >= {{ utc_var('period_end') }}, true)
                then 'closed'
            when opened_on >= {{ utc_var('period_end') }} then 'planned'
            else 'operating'
        end as status_at_period_end
    from facilities
),

-- a host that is not in the register is not judged
in_a_wrong_place as (
    select hosted.facility_id
    from facilities as hosted
    inner join facilities as hosts
        on hosted.host_facility_id = hosts.facility_id and hosted.facility_id <> hosts.facility_id
    inner join facility_kinds
        on hosted.kind_code = facility_kinds.kind_code
    inner join co_location_rules
        on facility_kinds.co_location = co_location_rules.rule_code
    where not co_location_rules.may_be_hosted or hosts.kind_code <> co_location_rules.host_kind_code
),

-- three-valued on purpose: null is `not known`, which is neither enough nor too little
compared_with_minimum as (
    select
        at_period_end.*,
        in_a_wrong_place.facility_id is not null as is_misplaced,
        case
            when facility_kinds.min_floor_area_m2 is null and facility_kinds.min_land_area_m2 is null
                then false
            when facility_kinds.min_area_subtype is null then true
            else at_period_end.subtype = facility_kinds.min_area_subtype
        end as has_minimum,
        case
            when facility_kinds.min_floor_area_m2 is null then true
            when at_period_end.floor_area_m2 is null then null
            when at_period_end.floor_area_m2 >= facility_kinds.min_floor_area_m2 then true
            when at_period_end.floor_area_m2 >= facility_kinds.relaxed_floor_area_m2
                then at_period_end.function_count >= facility_kinds.relaxed_function_count
            else false
        end as is_floor_enough,
        case
            when facility_kinds.min_land_area_m2 is null then true
            else at_period_end.land_area_m2 >= facility_kinds.min_land_area_m2
        end as is_land_enough
    from at_period_end
    inner join facility_kinds
        on at_period_end.kind_code = facility_kinds.kind_code
    left join in_a_wrong_place
        on at_period_end.facility_id = in_a_wrong_place.facility_id
),

sized as (
    select
        *,
        case
            when has_minimum is false then true
            when is_floor_enough and is_land_enough then true
            when has_minimum and not (is_floor_enough and is_land_enough) then false
        end as is_large_enough
    from compared_with_minimum
),

with_status as (
    select
        *,
        case
            when status_at_period_end <> 'operating' then status_at_period_end
            when not is_large_enough then 'undersized'
            when is_misplaced then 'misplaced'
            when is_large_enough then 'compliant'
            else 'unverified'
        end as facility_status
    from sized
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
        with_status.status_at_period_end as operating_status,
        with_status.opened_on as valid_from,
        with_status.closed_on as valid_to,
        with_status.is_large_enough,
        with_status.facility_status,
        with_status.host_facility_id
    from with_status
    left join facility_communities
        on with_status.facility_id = facility_communities.facility_id
    left join communities
        on facility_communities.community_id = communities.community_id
)

select * from final
