{{ config(materialized='table') }}

with

demand_points as (
    select * from {{ ref('int_demand_points') }}
),

-- an outlet has its type; a store, market or parcel point stands for a type as well
service_types as (
    select
        type_code,
        'F19' as kind_code,
        type_code as kind_subtype
    from {{ ref('service_types') }}
    union all
    select
        type_code,
        kind_code,
        kind_subtype
    from {{ ref('service_types') }}
    where kind_code is not null
),

radii as (
    select
        max(case when indicator_code = 'CUL-2' then radius_m end) as culture_m,
        max(case when indicator_code = 'CNV-2' then radius_m end) as services_m
    from {{ ref('int_indicator_radii') }}
),

counting_reach as (
    select *
    from {{ ref('int_reach') }}
    where
        facility_status = 'compliant'
        and kind_code in ('F12', 'F13', 'F14', 'F15', 'F18', 'F19')
),

reach_with_type as (
    select
        counting_reach.*,
        service_types.type_code
    from counting_reach
    left join service_types
        on
            counting_reach.kind_code = service_types.kind_code
            and (service_types.kind_subtype is null or counting_reach.subtype = service_types.kind_subtype)
),

counted as (
    select
        reach_with_type.building_id,
        count(distinct case
            when
                reach_with_type.kind_code = 'F12'
                and {{ is_within('reach_with_type.distance_m', 'radii.culture_m') }}
                then reach_with_type.facility_id
        end) as culture_centres,
        count(distinct case
            when
                reach_with_type.kind_code = 'F13'
                and {{ is_within('reach_with_type.distance_m', 'radii.culture_m') }}
                then reach_with_type.facility_id
        end) as reading_spaces,
        count(distinct case
            when {{ is_within('reach_with_type.distance_m', 'radii.services_m') }} then reach_with_type.type_code
        end) as service_types,
        min(case
            when reach_with_type.kind_code = 'F15' and reach_with_type.subtype = 'supermarket'
                then reach_with_type.distance_m
        end) as nearest_supermarket_distance_m
    from reach_with_type
    cross join radii
    group by reach_with_type.building_id
),

final as (
    select
        demand_points.building_id,
        coalesce(counted.culture_centres, 0) as culture_centres,
        coalesce(counted.reading_spaces, 0) as reading_spaces,
        coalesce(counted.service_types, 0) as service_types,
        counted.nearest_supermarket_distance_m,
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
)

select * from final
