with

reports as (
    select * from {{ ref('stg_repair_reports') }}
    where stated_community_id is null and lon is not null and lat is not null
),

located as (
    select count(*) as reports
    from reports
),

by_county as (
    select
        lon,
        lat,
        stated_county_name,
        count(*) as reports
    from reports
    group by lon, lat, stated_county_name
),

points as (
    select
        lon,
        lat,
        sum(reports) as reports,
        sum(case when stated_county_name is not null then reports end) as reports_naming_county,
        max(case when stated_county_name is not null then reports end) as reports_naming_same
    from by_county
    group by lon, lat
),

-- one address may hold many reports, but it lies in one county
final as (
    select
        points.lon,
        points.lat,
        cast(points.reports as bigint) as reports
    from points
    cross join located
    where
        points.reports >= {{ scoring('hot_spot_reports_min') }}
        and {{ reaches_share('points.reports', 'located.reports', 'default_point_share_min') }}
        and points.reports_naming_same <= {{ scoring('default_point_county_max') }} * points.reports_naming_county
)

select * from final
