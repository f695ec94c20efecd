with

reports as (
    select * from {{ ref('stg_repair_reports') }}
),

final as (
    select
        count(*) > 0 as has_reports,
        count(dispatched_at) > 0 as has_dispatch_times,
        count(first_response_at) > 0 as has_response_times,
        count(closed_at) > 0 as has_close_times,
        count(asset_id) + count(reopened_report_id) > 0 as has_repeats_marked,
        count(rating) > 0 as has_ratings
    from reports
)

select * from final
