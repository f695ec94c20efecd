with

final as (
    select
        facility_id,
        facility_name,
        kind_code,
        subtype,
        lon,
        lat,
        x_m,
        y_m,
        community_id,
        street_id,
        county_id,
        floor_area_m2,
        land_area_m2,
        capacity,
        operating_status,
        valid_from,
        valid_to,
        facility_status,
        host_facility_id
    from {{ ref('int_facilities') }}
)

select * from final
order by facility_id
