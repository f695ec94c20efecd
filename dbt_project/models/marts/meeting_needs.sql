with

items as (
    select * from {{ ref('stg_meeting_items') }}
),

-- a need may be raised twice at a meeting; those present are counted once
meetings as (
    select
        community_id,
        need_code,
        meeting_id,
        count(*) as items,
        max(attendees) as attendees,
        max(supporters) as supporters
    from items
    group by community_id, need_code, meeting_id
),

final as (
    select
        community_id,
        need_code,
        cast(count(*) as bigint) as meetings,
        cast(sum(items) as bigint) as items,
        cast(sum(attendees) as bigint) as attendees,
        cast(sum(supporters) as bigint) as supporters
    from meetings
    group by community_id, need_code
)

select * from final
order by community_id, need_code
