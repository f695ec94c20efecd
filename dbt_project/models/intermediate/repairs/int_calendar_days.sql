{{ config(materialized='table') }}

with

calendars as (
    select * from {{ ref('calendars') }}
    where calendar_code = '{{ var("calendar") }}'
),

named_days as (
    select * from {{ ref('calendar_days') }}
    where calendar_code = '{{ var("calendar") }}'
),

working_hours as (
    select * from {{ ref('working_hours') }}
    where calendar_code = '{{ var("calendar") }}'
),

named_years as (
    select distinct extract(year from day) as named_year
    from named_days
),

hours as (
    select {{ exact_sum('ends_hour - starts_hour') }} as hours_a_day
    from working_hours
),

-- a year beyond the half-year, for the deadlines of its last reports
days as (
    {{ days_between(
        'cast(' ~ local_time(utc_var('period_start')) ~ ' as date)',
        'cast(' ~ dbt.dateadd('day', 366, local_time(utc_var('period_end'))) ~ ' as date)'
    ) }}
),

judged as (
    select
        days.day,
        coalesce(named_days.is_working, {{ iso_weekday('days.day') }} <= 5) as is_working,
        not calendars.has_holidays or named_years.named_year is not null as is_known
    from days
    cross join calendars
    left join named_days
        on days.day = named_days.day
    left join named_years
        on extract(year from days.day) = named_years.named_year
),

numbered as (
    select
        *,
        sum(case when is_working then 1 else 0 end) over (
            order by day
            rows between unbounded preceding and current row
        ) as workdays_through
    from judged
),

final as (
    select
        numbered.day,
        numbered.is_working,
        numbered.is_known,
        cast(numbered.workdays_through as bigint) as workdays_through,
        hours.hours_a_day
        * (numbered.workdays_through - case when numbered.is_working then 1 else 0 end) as working_hours_before
    from numbered
    cross join hours
)

select * from final
