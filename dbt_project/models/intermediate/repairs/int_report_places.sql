{{ config(materialized='table') }}

with

reports as (
    select
        *,
        {{ local_time('reported_at') }} as reported_locally_at
    from {{ ref('stg_repair_reports') }}
),

default_points as (
    select * from {{ ref('int_repair_default_points') }}
),

repair_categories as (
    select * from {{ ref('repair_categories') }}
),

report_communities as (
    select
        point_id as report_id,
        community_id
    from {{ ref('int_point_communities') }}
    where point_type = 'repair_report'
),

-- a default point is no place, even of a report that states its community
final as (
    select
        reports.report_id,
        reports.category_code,
        repair_categories.action_code,
        report_communities.community_id,
        concat(
            cast(extract(year from reports.reported_locally_at) as varchar),
            '-',
            lpad(cast(extract(month from reports.reported_locally_at) as varchar), 2, '0')
        ) as month,
        reports.x_m,
        reports.y_m
    from reports
    inner join report_communities
        on reports.report_id = report_communities.report_id
    inner join repair_categories
        on reports.category_code = repair_categories.category_code
    left join default_points
        on
            reports.lon = default_points.lon
            and reports.lat = default_points.lat
    where
        default_points.lon is null
        and reports.x_m is not null
        and reports.y_m is not null
        and coalesce(reports.request_type, 'repair') <> 'praise'
        and coalesce(reports.status, 'open') <> 'rejected'
)

select * from final
