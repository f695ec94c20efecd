with

items as (
    select * from {{ ref('stg_meeting_items') }}
),

community_areas as (
    select * from {{ ref('int_community_areas') }}
),

-- a need may be raised twice at a meeting; those present are counted once
meetings as (
    select
        community_id,
        need_code,
        meeting_id,
        max(supporters) as supporters
    from items
    group by community_id, need_code, meeting_id
),

final as (
    select
        community_areas.area_level,
        community_areas.area_id,
        meetings.need_code,
        cast(count(*) as bigint) as meetings,
        cast(sum(meetings.supporters) as bigint) as supporters
    from meetings
    inner join community_areas
        on community_areas.community_id = meetings.community_id
    group by community_areas.area_level, community_areas.area_id, meetings.need_code
)

select * from final
