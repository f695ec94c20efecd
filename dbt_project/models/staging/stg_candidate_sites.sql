with

source as (
    select * from {{ source('lake', 'candidate_sites') }}
),

projected as (
    select
        *,
        {{ geometry_projected(geometry_point('lon', 'lat')) }} as point_m
    from source
),

final as (
    select
        site_id,
        site_name,
        site_type,
        lon,
        lat,
        {{ geometry_x('point_m') }} as x_m,
        {{ geometry_y('point_m') }} as y_m,
        floor_area_m2,
        land_area_m2,
        cost_cny,
        available_from
    from projected
)

select * from final
