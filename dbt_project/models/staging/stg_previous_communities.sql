with

source as (
    select * from {{ source('lake', 'previous_communities') }}
),

with_geometry as (
    select
        community_id,
        community_name,
        {{ geometry_from_wkb('geometry') }} as geometry
    from source
),

final as (
    select
        community_id,
        community_name,
        {{ geometry_area(geometry_projected('geometry')) }} as area_m2,
        geometry
    from with_geometry
)

select * from final
