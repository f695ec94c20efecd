with

source as (
    select * from {{ source('lake', 'buildings') }}
),

projected as (
    select
        *,
        {{ geometry_projected(geometry_point('lon', 'lat')) }} as point_m
    from source
),

final as (
    select
        building_id,
        community_id as stated_community_id,
        lon,
        lat,
        {{ geometry_x('point_m') }} as x_m,
        {{ geometry_y('point_m') }} as y_m,
        dwellings,
        households,
        residents,
        residents_age_0_2,
        residents_age_3_5,
        residents_age_6_11,
        residents_age_12_14,
        residents_age_15_59,
        residents_age_60_plus
    from projected
)

select * from final
