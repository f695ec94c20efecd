{{ config(materialized='table') }}

with

facility_kinds as (
    select * from {{ ref('facility_kinds') }}
),

operating as (
    select * from {{ ref('int_facilities') }}
    where operating_status = 'operating'
),

outer_facilities as (
    select * from {{ ref('int_outer_facilities') }}
),

-- those inside another one of their kind, whose amount includes theirs
inside as (
    select
        operating.facility_id,
        {{ count_where(counts('around.facility_status')) }} > 0 as is_inside_counting
    from outer_facilities
    inner join operating
        on outer_facilities.facility_id = operating.facility_id
    inner join operating as around
        on
            outer_facilities.outer_facility_id = around.facility_id
            and operating.kind_code = around.kind_code
    group by operating.facility_id
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
        inside.facility_id is not null as is_inside_another,
        coalesce(inside.is_inside_counting, false) as is_inside_counting
    from operating
    inner join facility_kinds
        on operating.kind_code = facility_kinds.kind_code
    left join inside
        on operating.facility_id = inside.facility_id
)

select * from final
