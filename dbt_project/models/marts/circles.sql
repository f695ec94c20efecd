with

counting as (
    select * from {{ ref('int_facilities') }}
    where {{ counts('facility_status') }}
),

kinds as (
    select * from {{ ref('int_kinds') }}
),

facility_kinds as (
    select * from {{ ref('facility_kinds') }}
),

radii as (
    select
        kind_code,
        'all' as area_type,
        radius_new_m as radius_m
    from kinds
    where radius_new_m = radius_stock_m
    union all
    select
        kind_code,
        'new' as area_type,
        radius_new_m as radius_m
    from kinds
    where radius_new_m <> radius_stock_m
    union all
    select
        kind_code,
        'stock' as area_type,
        radius_stock_m as radius_m
    from kinds
    where radius_new_m <> radius_stock_m
),

final as (
    select
        counting.facility_id,
        radii.area_type,
        counting.kind_code,
        facility_kinds.tier_min,
        radii.radius_m,
        counting.community_id,
        counting.county_id,
        {{ geometry_unprojected(geometry_buffer(geometry_point('counting.x_m', 'counting.y_m'), 'radii.radius_m')) }}
            as geometry
    from counting
    inner join radii
        on counting.kind_code = radii.kind_code
    inner join facility_kinds
        on counting.kind_code = facility_kinds.kind_code
)

select * from final
order by facility_id, area_type
