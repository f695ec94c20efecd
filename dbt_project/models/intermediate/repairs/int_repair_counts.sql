{{ config(materialized='table') }}

with

reports as (
    select * from {{ ref('stg_repair_reports') }}
),

default_points as (
    select * from {{ ref('int_repair_default_points') }}
),

report_communities as (
    select
        point_id as report_id,
        community_id
    from {{ ref('int_point_communities') }}
    where point_type = 'repair_report'
),

final as (
    select
        reports.category_code,
        report_communities.community_id,
        count(*) as reports
    from reports
    inner join report_communities
        on reports.report_id = report_communities.report_id
    left join default_points
        on
            reports.stated_community_id is null
            and reports.lon = default_points.lon
            and reports.lat = default_points.lat
    where
        default_points.lon is null
        and coalesce(reports.request_type, 'repair') <> 'praise'
        and coalesce(reports.status, 'open') <> 'rejected'
    group by reports.category_code, report_communities.community_id
)

select * from final
