{{ config(materialized='table') }}

with

edits as (
    select * from {{ ref('stg_project_edits') }}
    where edited_at <= {{ utc_var('cut_off') }}
),

previous_projects as (
    select * from {{ ref('int_previous_projects') }}
),

previous_pool_flows as (
    select * from {{ ref('int_previous_pool_flows') }}
),

successors as (
    select * from {{ ref('int_community_successors') }}
),

counted as (
    select max(edits_until) as edits_until
    from previous_pool_flows
),

dated as (
    select
        edits.*,
        counted.edits_until is null or edits.edited_at > counted.edits_until as is_new
    from edits
    cross join counted
),

-- a department's own project begins with the edit that says where it is
known as (
    select project_id
    from previous_projects
    union
    select dated.project_id
    from dated
    inner join successors
        on successors.previous_community_id = dated.value
    where dated.field = 'community_id' and dated.is_new and not dated.is_conflict
),

last_settled as (
    select
        project_id,
        field,
        max(edited_at) as settled_at
    from dated
    where not is_conflict
    group by project_id, field
),

judged as (
    select
        dated.*,
        case
            when dated.is_conflict and coalesce(last_settled.settled_at > dated.edited_at, false) then 'resolved'
            when dated.is_conflict then 'conflict'
            when not dated.is_new then 'earlier'
            when known.project_id is null then 'not_taken'
            else 'taken'
        end as outcome
    from dated
    left join known
        on known.project_id = dated.project_id
    left join last_settled
        on last_settled.project_id = dated.project_id
            and last_settled.field = dated.field
),

final as (
    select
        *,
        row_number() over (
            partition by project_id, field, outcome
            order by edited_at desc, edit_id desc
        ) = 1 as is_last
    from judged
)

select * from final
