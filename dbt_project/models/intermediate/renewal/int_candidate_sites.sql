{{ config(materialized='table') }}

with

sites as (
    select * from {{ ref('stg_candidate_sites') }}
),

facilities as (
    select * from {{ ref('int_facilities') }}
),

communities as (
    select * from {{ ref('stg_communities') }}
),

site_communities as (
    select
        point_id as site_id,
        community_id
    from {{ ref('int_point_communities') }}
    where point_type = 'site'
),

-- what becomes free later is a site of a later half-year
free_sites as (
    select
        sites.site_id,
        sites.site_name,
        sites.site_type,
        site_communities.community_id,
        sites.lon,
        sites.lat,
        sites.x_m,
        sites.y_m,
        sites.floor_area_m2,
        sites.land_area_m2,
        cast(null as varchar) as host_facility_id,
        sites.cost_cny
    from sites
    left join site_communities
        on sites.site_id = site_communities.site_id
    where coalesce(sites.available_from < {{ utc_var('period_end') }}, true)
),

-- nothing is taken where a public centre shares its rooms
centres as (
    select
        concat('in-', facility_id) as site_id,
        facility_name as site_name,
        'co_location' as site_type,
        community_id,
        lon,
        lat,
        x_m,
        y_m,
        floor_area_m2,
        land_area_m2,
        facility_id as host_facility_id,
        cast(0 as double) as cost_cny
    from facilities
    where kind_code = 'F01' and facility_status = 'compliant'
),

candidate_sites as (
    select * from free_sites
    union all
    select * from centres
),

final as (
    select
        candidate_sites.site_id,
        candidate_sites.site_name,
        candidate_sites.site_type,
        candidate_sites.community_id,
        communities.street_id,
        communities.county_id,
        candidate_sites.lon,
        candidate_sites.lat,
        candidate_sites.x_m,
        candidate_sites.y_m,
        candidate_sites.floor_area_m2,
        candidate_sites.land_area_m2,
        candidate_sites.host_facility_id,
        candidate_sites.cost_cny
    from candidate_sites
    left join communities
        on candidate_sites.community_id = communities.community_id
)

select * from final
