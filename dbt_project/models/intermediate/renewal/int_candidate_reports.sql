{{ config(materialized='table') }}

with

clusters as (
    select * from {{ ref('stg_report_clusters') }}
),

members as (
    select * from {{ ref('stg_report_cluster_members') }}
),

report_places as (
    select * from {{ ref('int_report_places') }}
),

communities as (
    select * from {{ ref('stg_communities') }}
),

categories as (
    select * from {{ ref('renewal_categories') }}
),

rules as (
    select * from {{ ref('renewal_rules') }}
),

shortfalls as (
    select * from {{ ref('shortfalls') }}
),

ruled as (
    select
        clusters.*,
        shortfalls.kind_code
    from clusters
    left join categories
        on clusters.category_code = categories.category_code
    left join shortfalls
        on
            clusters.community_id = shortfalls.community_id
            and categories.kind_code = shortfalls.kind_code
    where exists (
        select 1 from rules
        where
            rules.subject_code in (clusters.category_code, '*')
            and rules.reason_code in ('persistent_reports', '*')
    )
),

-- reports of what a shortfall lacks strengthen its candidate; the others of one problem make one candidate
problems as (
    select
        cluster_id,
        kind_code,
        case
            when kind_code is not null then concat(community_id, '-', kind_code)
            else first_value(cluster_id) over (
                partition by problem_id, kind_code is null
                order by reports desc, cluster_id
                rows between unbounded preceding and unbounded following
            )
        end as problem_code
    from ruled
),

touched as (
    select
        problems.problem_code,
        count(*) as reports,
        count(distinct report_places.community_id) as communities,
        count(distinct communities.street_id) as streets
    from problems
    inner join members
        on problems.cluster_id = members.cluster_id
    inner join report_places
        on members.report_id = report_places.report_id
    inner join communities
        on report_places.community_id = communities.community_id
    group by problems.problem_code
),

-- the largest cluster says of which category a problem is and where
final as (
    select
        touched.problem_code,
        shortfalls.kind_code,
        case when shortfalls.kind_code is null then leading_clusters.category_code end as category_code,
        coalesce(shortfalls.community_id, leading_clusters.community_id) as community_id,
        touched.reports,
        touched.communities,
        touched.streets,
        leading_clusters.x_m,
        leading_clusters.y_m
    from touched
    left join clusters as leading_clusters
        on touched.problem_code = leading_clusters.cluster_id
    left join shortfalls
        on touched.problem_code = concat(shortfalls.community_id, '-', shortfalls.kind_code)
)

select * from final
