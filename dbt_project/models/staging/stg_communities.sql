with

source as (
    select * from {{ source('lake', 'communities') }}
),

with_geometry as (
    select
        community_id,
        community_name,
        street_id,
        street_name,
        county_id,
        county_name,
        coalesce(area_type, 'stock') as area_type,
        is_geometry_repaired,
        {{ geometry_from_wkb('geometry') }} as geometry
    from source
),

final as (
    select
        community_id,
        community_name,
        street_id,
        street_name,
        county_id,
        county_name,
        area_type,
        {{ geometry_area(geometry_projected('geometry')) }} as area_m2,
        is_geometry_repaired,
        geometry
    from with_geometry
)

select * from final
