with

source as (
    select * from {{ source('lake', 'meeting_items') }}
),

-- minutes that were corrected come again, and those received later count
received as (
    select
        *,
        row_number() over (partition by meeting_id, item_number order by received_order desc) as receipt_rank
    from source
    where
        held_at >= {{ utc_var('period_start') }}
        and held_at < {{ utc_var('period_end') }}
),

final as (
    select
        meeting_id,
        item_number,
        community_id,
        held_at,
        attendees,
        need_code,
        kind_code,
        supporters,
        satisfaction
    from received
    where receipt_rank = 1
)

select * from final
