with

source as (
    select * from {{ source('lake', 'estates') }}
),

projected as (
    select
        *,
        {{ geometry_projected(geometry_point('lon', 'lat')) }} as point_m
    from source
),

final as (
    select
        estate_id,
        estate_name,
        community_id as stated_community_id,
        lon,
        lat,
        {{ geometry_x('point_m') }} as x_m,
        {{ geometry_y('point_m') }} as y_m,
        dwellings,
        property_service_model,
        has_ebike_charging
    from projected
)

select * from final
