{{ config(materialized='table') }}

with

facility_kinds as (
    select * from {{ ref('facility_kinds') }}
),

operating as (
    select * from {{ ref('int_facilities') }}
    where operating_status = 'operating'
),

final as (
    select
        operating.facility_id,
        operating.kind_code,
        operating.community_id,
        operating.facility_status,
        {{ measure_unit('facility_kinds') }} as measure_unit,
        cast(case
            when facility_kinds.capacity_unit is not null then operating.capacity
            when facility_kinds.min_floor_area_m2 is not null then operating.floor_area_m2
            when facility_kinds.min_land_area_m2 is not null then operating.land_area_m2
            else 1
        end as decimal(18, 2)) as amount,
        hosts.facility_status as host_status
    from operating
    inner join facility_kinds
        on operating.kind_code = facility_kinds.kind_code
    left join operating as hosts
        on
            operating.host_facility_id = hosts.facility_id
            and operating.kind_code = hosts.kind_code
            and operating.facility_id <> hosts.facility_id
)

select * from final
