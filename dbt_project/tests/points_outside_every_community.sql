-- Buildings and facilities outside every community: such residents count nowhere, such facilities only in
-- circles.
{{ config(severity='warn') }}

with

points as (
    select
        'building' as point_type,
        building_id as point_id
    from {{ ref('stg_buildings') }}
    union all
    select
        'facility' as point_type,
        facility_id as point_id
    from {{ ref('stg_facilities') }}
),

located as (
    select
        point_type,
        point_id
    from {{ ref('int_point_communities') }}
),

final as (
    select
        points.point_type,
        points.point_id
    from points
    left join located
        on
            points.point_type = located.point_type
            and points.point_id = located.point_id
    where located.point_id is null
)

select * from final
