with

clocks as (
    select
        report_id,
        {{ local_time('reported_at') }} as began_local,
        {{ local_time('coalesce(closed_at, ' ~ utc_var('cut_off') ~ ')') }} as ended_local
    from {{ ref('int_repair_clocks') }}
    where is_counted and has_close_time
),

calendar_days as (
    select * from {{ ref('int_calendar_days') }}
),

periods as (
    select * from {{ ref('working_hours') }}
    where calendar_code = '{{ var("calendar") }}'
),

moments as (
    select
        report_id,
        -1 as sign,
        began_local as moment
    from clocks
    union all
    select
        report_id,
        1 as sign,
        ended_local as moment
    from clocks
),

placed as (
    select
        moments.report_id,
        moments.sign,
        calendar_days.is_working,
        calendar_days.working_hours_before,
        {{ hour_of_day('moments.moment') }} as hour_of_day
    from moments
    inner join calendar_days
        on cast(moments.moment as date) = calendar_days.day
),

-- working hours from the first day of the calendar to the moment
elapsed as (
    select
        placed.report_id,
        placed.sign,
        placed.working_hours_before
        + {{ exact_sum(
            'case when placed.is_working'
            ' then greatest(0, least(placed.hour_of_day, periods.ends_hour) - periods.starts_hour) else 0 end'
        ) }} as working_hours
    from placed
    cross join periods
    group by placed.report_id, placed.sign, placed.working_hours_before
),

final as (
    select
        report_id,
        {{ exact_sum('sign * working_hours') }} as working_hours_to_close_or_cut_off
    from elapsed
    group by report_id
)

select * from final
