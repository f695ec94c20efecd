{{ config(materialized='table') }}

with

reports as (
    select
        *,
        cast({{ local_time('reported_at') }} as date) as reported_day
    from {{ ref('stg_repair_reports') }}
),

feed as (
    select * from {{ ref('int_repair_feed') }}
),

repair_categories as (
    select * from {{ ref('repair_categories') }}
),

calendar_days as (
    select * from {{ ref('int_calendar_days') }}
),

report_communities as (
    select
        point_id as report_id,
        community_id
    from {{ ref('int_point_communities') }}
    where point_type = 'repair_report'
),

-- the day of the report does not count, and the last day counts till midnight (S31)
default_deadlines as (
    select
        reported.day as reported_day,
        {{ utc_time(dbt.dateadd('day', 1, 'last_days.day')) }} as due_at,
        reported.is_known and last_days.is_known as is_known
    from calendar_days as reported
    inner join calendar_days as last_days
        on
            last_days.is_working
            and reported.workdays_through + {{ scoring('closure_workdays_default') }} = last_days.workdays_through
),

clocks as (
    select
        reports.*,
        report_communities.community_id,
        repair_categories.counts_in_index
        and coalesce(reports.request_type, 'repair') <> 'praise'
        and coalesce(reports.status, 'open') <> 'rejected' as is_counted,
        -- closed at a time that is not told: nothing can be said of how long it took
        feed.has_close_times
        and (reports.closed_at is not null or coalesce(reports.status, 'open') <> 'closed') as has_close_time,
        {{ hours_between('reports.reported_at', 'reports.dispatched_at') }} as hours_to_dispatch,
        {{ hours_between('reports.dispatched_at', 'reports.first_response_at') }}
            as hours_from_dispatch_to_response,
        {{ hours_between('reports.reported_at', 'reports.first_response_at') }} as hours_to_response,
        {{ hours_between('reports.reported_at', 'reports.closed_at') }} as hours_to_close,
        {{ hours_between('reports.reported_at', utc_var('cut_off')) }} as hours_observed,
        {{ hours_between('reports.dispatched_at', utc_var('cut_off')) }} as hours_observed_from_dispatch,
        {{ hours_between('reports.closed_at', utc_var('period_end')) }} as hours_observed_from_closure,
        coalesce(reports.due_at, default_deadlines.due_at) as due_or_default_at,
        reports.due_at is null and not default_deadlines.is_known as is_due_of_unknown_year
    from reports
    cross join feed
    inner join repair_categories
        on reports.category_code = repair_categories.category_code
    left join default_deadlines
        on reports.reported_day = default_deadlines.reported_day
    left join report_communities
        on reports.report_id = report_communities.report_id
),

closed as (
    select * from clocks
    where closed_at is not null
),

-- praise, or a report that is rejected, is no repetition
counted as (
    select * from clocks
    where is_counted
),

later_reports as (
    select
        closed.report_id,
        later.reported_at,
        closed.closed_at
    from closed
    inner join counted as later
        on closed.report_id = later.reopened_report_id
    union all
    select
        closed.report_id,
        later.reported_at,
        closed.closed_at
    from closed
    inner join counted as later
        on
            closed.asset_id = later.asset_id
            and closed.category_code = later.category_code
            and closed.report_id <> later.report_id
),

repeated as (
    select distinct report_id
    from later_reports
    where
        reported_at >= closed_at
        and {{ hours_between('closed_at', 'reported_at') }} <= 24 * {{ scoring('repeat_days') }}
),

final as (
    select
        clocks.report_id,
        clocks.community_id,
        clocks.category_code,
        clocks.request_type,
        clocks.channel,
        clocks.asset_id,
        clocks.reported_at,
        clocks.dispatched_at,
        clocks.first_response_at,
        clocks.due_or_default_at,
        clocks.due_at is null as is_due_default,
        clocks.is_due_of_unknown_year,
        clocks.closed_at,
        clocks.x_m,
        clocks.y_m,
        clocks.rating,
        clocks.is_counted,
        clocks.hours_to_dispatch,
        clocks.hours_from_dispatch_to_response,
        clocks.hours_to_response,
        clocks.hours_to_close,
        clocks.hours_observed,
        clocks.hours_observed_from_dispatch,
        clocks.has_close_time,
        -- who is asked for a rating is asked when the report is closed
        clocks.is_counted
        and (clocks.rating is not null or clocks.closed_at is not null or not clocks.has_close_time) as may_be_rated,
        case
            when
                clocks.is_counted and feed.has_dispatch_times
                and clocks.hours_observed >= {{ scoring('dispatch_hours') }}
                then coalesce(clocks.hours_to_dispatch <= {{ scoring('dispatch_hours') }}, false)
        end as is_dispatched_in_time,
        case
            when
                clocks.is_counted and feed.has_response_times
                and clocks.hours_observed_from_dispatch >= {{ scoring('response_hours') }}
                then coalesce(clocks.hours_from_dispatch_to_response <= {{ scoring('response_hours') }}, false)
        end as is_responded_in_time_from_dispatch,
        case
            when
                clocks.is_counted and feed.has_response_times
                and clocks.hours_observed >= {{ scoring('response_hours') }}
                then coalesce(clocks.hours_to_response <= {{ scoring('response_hours') }}, false)
        end as is_responded_in_time_from_report,
        case
            when
                clocks.is_counted and clocks.has_close_time
                and clocks.due_or_default_at <= {{ utc_var('cut_off') }}
                then coalesce(clocks.closed_at <= clocks.due_or_default_at, false)
        end as is_closed_on_time,
        case
            when
                clocks.is_counted and feed.has_repeats_marked
                and clocks.hours_observed_from_closure >= 24 * {{ scoring('repeat_days') }}
                then repeated.report_id is not null
        end as is_repeated,
        case
            when clocks.is_counted and clocks.rating is not null
                then clocks.rating >= {{ scoring('satisfied_score_min') }}
        end as is_satisfied
    from clocks
    cross join feed
    left join repeated
        on clocks.report_id = repeated.report_id
)

select * from final
