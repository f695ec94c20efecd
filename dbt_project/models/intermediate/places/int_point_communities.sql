{{ config(materialized='table') }}

with

communities as (
    select * from {{ ref('stg_communities') }}
),

points as (
    select
        'building' as point_type,
        building_id as point_id,
        stated_community_id,
        lon,
        lat
    from {{ ref('stg_buildings') }}
    union all
    select
        'estate' as point_type,
        estate_id as point_id,
        stated_community_id,
        lon,
        lat
    from {{ ref('stg_estates') }}
    union all
    select
        'facility' as point_type,
        facility_id as point_id,
        null as stated_community_id,
        lon,
        lat
    from {{ ref('stg_facilities') }}
    union all
    select
        'site' as point_type,
        site_id as point_id,
        null as stated_community_id,
        lon,
        lat
    from {{ ref('stg_candidate_sites') }}
    union all
    select
        'repair_report' as point_type,
        report_id as point_id,
        stated_community_id,
        lon,
        lat
    from {{ ref('stg_repair_reports') }}
),

stated as (
    select
        point_type,
        point_id,
        stated_community_id as community_id
    from points
    where stated_community_id is not null
),

to_locate as (
    select
        point_type,
        point_id,
        {{ geometry_point('lon', 'lat') }} as place
    from points
    where stated_community_id is null and lon is not null and lat is not null
),

located as (
    select
        to_locate.point_type,
        to_locate.point_id,
        -- a point on a common border belongs to one unit
        min(communities.community_id) as community_id
    from to_locate
    inner join communities
        on {{ geometry_covers('communities.geometry', 'to_locate.place') }}
    group by to_locate.point_type, to_locate.point_id
),

final as (
    select
        point_type,
        point_id,
        community_id
    from stated
    union all
    select
        point_type,
        point_id,
        community_id
    from located
)

select * from final
