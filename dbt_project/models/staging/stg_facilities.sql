with

source as (
    select * from {{ source('lake', 'facilities') }}
),

projected as (
    select
        *,
        {{ geometry_projected(geometry_point('lon', 'lat')) }} as point_m
    from source
),

final as (
    select
        facility_id,
        facility_name,
        kind_code,
        subtype,
        lon,
        lat,
        {{ geometry_x('point_m') }} as x_m,
        {{ geometry_y('point_m') }} as y_m,
        floor_area_m2,
        land_area_m2,
        capacity,
        function_count,
        car_spaces,
        ev_chargers,
        ebike_charging_ports,
        operating_status,
        host_facility_id
    from projected
)

select * from final
