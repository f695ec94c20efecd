{#- A table: what takes seconds to make is not made again by whoever looks at it. -#}
{{ config(materialized='table') }}

with

clocks as (
    select * from {{ ref('int_repair_clocks') }}
    where is_counted
),

feed as (
    select * from {{ ref('int_repair_feed') }}
),

working_hours as (
    select * from {{ ref('int_repair_working_hours') }}
),

-- numbers stand for areas and series while the curves are made: millions of rows are sorted by them
report_areas as (
    select
        *,
        dense_rank() over (
            order by area_level, area_id
        ) as area_number
    from {{ ref('int_repair_areas') }}
),

areas as (
    select distinct
        area_number,
        area_level,
        area_id
    from report_areas
),

-- what has not happened at the cut-off is known to take longer than until then
durations as (
    select
        clocks.report_id,
        clocks.category_code,
        'dispatch' as clock_code,
        clocks.hours_to_dispatch is not null as has_happened,
        coalesce(clocks.hours_to_dispatch, clocks.hours_observed) as hours
    from clocks
    cross join feed
    where feed.has_dispatch_times
    union all
    select
        clocks.report_id,
        clocks.category_code,
        'response' as clock_code,
        clocks.hours_to_response is not null as has_happened,
        coalesce(clocks.hours_to_response, clocks.hours_observed) as hours
    from clocks
    cross join feed
    where feed.has_response_times
    union all
    select
        clocks.report_id,
        clocks.category_code,
        'response_from_dispatch' as clock_code,
        clocks.hours_from_dispatch_to_response is not null as has_happened,
        coalesce(clocks.hours_from_dispatch_to_response, clocks.hours_observed_from_dispatch) as hours
    from clocks
    cross join feed
    where feed.has_response_times and clocks.dispatched_at is not null
    union all
    select
        report_id,
        category_code,
        'close' as clock_code,
        hours_to_close is not null as has_happened,
        coalesce(hours_to_close, hours_observed) as hours
    from clocks
    where has_close_time
    union all
    select
        clocks.report_id,
        clocks.category_code,
        'close_working' as clock_code,
        clocks.hours_to_close is not null as has_happened,
        working_hours.working_hours_to_close_or_cut_off as hours
    from clocks
    inner join working_hours
        on working_hours.report_id = clocks.report_id
    where clocks.has_close_time
),

in_categories as (
    select
        report_id,
        category_code,
        clock_code,
        has_happened,
        hours
    from durations
    union all
    select
        report_id,
        'all' as category_code,
        clock_code,
        has_happened,
        hours
    from durations
),

numbered as (
    select
        *,
        dense_rank() over (
            order by category_code, clock_code
        ) as series_number
    from in_categories
),

series as (
    select distinct
        series_number,
        category_code,
        clock_code
    from numbered
),

steps as (
    select
        report_areas.area_number,
        numbered.series_number,
        numbered.hours,
        {{ count_where('numbered.has_happened') }} as happened,
        count(*) as leaving
    from numbered
    inner join report_areas
        on report_areas.report_id = numbered.report_id
    group by report_areas.area_number, numbered.series_number, numbered.hours
),

at_risk as (
    select
        *,
        sum(leaving) over (
            partition by area_number, series_number
            order by hours desc
            rows between unbounded preceding and current row
        ) as waiting
    from steps
),

-- Kaplan and Meier 1958: the product of the shares that were still waiting after each step, as a sum of logarithms
survival as (
    select
        *,
        sum(
            cast(case when waiting > happened then ln(1.0 - happened / cast(waiting as double)) else 0 end
            as decimal(38, 18))
        ) over (
            partition by area_number, series_number
            order by hours
            rows between unbounded preceding and current row
        ) as log_waiting_share
    from at_risk
),

-- rounded, so that a half is a half whatever order it was multiplied in
curve as (
    select
        *,
        case when waiting = happened then 0 else round(exp(cast(log_waiting_share as double)), 9) end as waiting_share
    from survival
),

quantiles as (
    select
        area_number,
        series_number,
        cast(sum(leaving) as bigint) as reports,
        cast(sum(happened) as bigint) as happened,
        min(case when happened > 0 and waiting_share <= 0.5 then hours end) as median_hours,
        min(case when happened > 0 and waiting_share <= 0.1 then hours end) as p90_hours
    from curve
    group by area_number, series_number
),

final as (
    select
        areas.area_level,
        areas.area_id,
        series.category_code,
        series.clock_code,
        quantiles.reports,
        quantiles.happened,
        quantiles.median_hours,
        quantiles.p90_hours
    from quantiles
    inner join areas
        on areas.area_number = quantiles.area_number
    inner join series
        on series.series_number = quantiles.series_number
)

select * from final
