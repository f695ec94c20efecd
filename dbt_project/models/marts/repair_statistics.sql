{#- Flag of the clocks, how many kept it, of how many, in percent. -#}
{%- set promises = [
    ('is_dispatched_in_time', 'dispatched_24h', 'dispatch_judged', 'dispatched_24h_pct'),
    (
        'is_responded_in_time_from_dispatch',
        'responded_24h_from_dispatch', 'response_from_dispatch_judged', 'responded_24h_from_dispatch_pct'
    ),
    (
        'is_responded_in_time_from_report',
        'responded_24h_from_report', 'response_from_report_judged', 'responded_24h_from_report_pct'
    ),
    ('is_closed_on_time', 'closed_on_time', 'closure_judged', 'on_time_closure_pct'),
    ('is_repeated', 'repeated_30d', 'repeat_judged', 'repeat_30d_pct'),
    ('is_satisfied', 'rated_4_5', 'ratings', 'rated_4_5_pct'),
] %}
{%- set times = [
    ('dispatch', 'median_hours', 'median_dispatch_hours'),
    ('dispatch', 'p90_hours', 'p90_dispatch_hours'),
    ('response', 'median_hours', 'median_response_hours'),
    ('response', 'p90_hours', 'p90_response_hours'),
    ('response_from_dispatch', 'median_hours', 'median_response_from_dispatch_hours'),
    ('response_from_dispatch', 'p90_hours', 'p90_response_from_dispatch_hours'),
    ('close', 'median_hours', 'median_close_hours'),
    ('close', 'p90_hours', 'p90_close_hours'),
    ('close_working', 'median_hours', 'median_close_working_hours'),
] %}

with

clocks as (
    select * from {{ ref('int_repair_clocks') }}
),

report_areas as (
    select * from {{ ref('int_repair_areas') }}
),

durations as (
    select * from {{ ref('int_repair_durations') }}
),

areas as (
    select * from {{ ref('areas') }}
),

report_categories as (
    select report_id, category_code
    from clocks
    union all
    select report_id, 'all' as category_code
    from clocks
),

categories as (
    select distinct category_code
    from report_categories
),

-- a promise is null where it is not judged, so counting it counts those that are
sums as (
    select
        report_areas.area_level,
        report_areas.area_id,
        report_categories.category_code,
        count(*) as reports,
        {{ count_where('report_areas.is_located') }} as reports_located,
        {{ count_where('clocks.is_counted') }} as reports_counted,
        {{ count_where('clocks.is_counted and clocks.has_close_time and clocks.closed_at is null') }} as reports_open,
        {%- for flag, kept, judged, share in promises %}
        {{ count_where('clocks.' ~ flag) }} as {{ kept }},
        count(clocks.{{ flag }}) as {{ judged }},
        {%- endfor %}
        {{ count_where('clocks.may_be_rated') }} as rating_asked,
        {{ count_where('clocks.is_counted and clocks.is_due_of_unknown_year') }} as due_of_unknown_year
    from report_areas
    inner join clocks
        on clocks.report_id = report_areas.report_id
    inner join report_categories
        on report_categories.report_id = report_areas.report_id
    group by report_areas.area_level, report_areas.area_id, report_categories.category_code
),

times as (
    select
        area_level,
        area_id,
        category_code,
        {%- for clock, quantile, name in times %}
        max(case when clock_code = '{{ clock }}' then {{ quantile }} end) as {{ name }}{{ ',' if not loop.last }}
        {%- endfor %}
    from durations
    group by area_level, area_id, category_code
),

final as (
    select
        areas.area_level,
        areas.area_id,
        categories.category_code,
        cast(coalesce(sums.reports, 0) as bigint) as reports,
        cast(coalesce(sums.reports_located, 0) as bigint) as reports_located,
        cast(1000.0 * coalesce(sums.reports, 0) / nullif(areas.residents, 0) as double) as reports_per_1000,
        cast(coalesce(sums.reports_counted, 0) as bigint) as reports_counted,
        cast(coalesce(sums.reports_open, 0) as bigint) as reports_open,
        {%- for flag, kept, judged, share in promises %}
        cast(coalesce(sums.{{ kept }}, 0) as bigint) as {{ kept }},
        cast(coalesce(sums.{{ judged }}, 0) as bigint) as {{ judged }},
        cast(100.0 * sums.{{ kept }} / nullif(sums.{{ judged }}, 0) as double) as {{ share }},
        {%- endfor %}
        cast(coalesce(sums.rating_asked, 0) as bigint) as rating_asked,
        cast(100.0 * sums.ratings / nullif(sums.rating_asked, 0) as double) as rating_response_pct,
        {%- for clock, quantile, name in times %}
        cast(times.{{ name }} as double) as {{ name }},
        {%- endfor %}
        cast(coalesce(sums.due_of_unknown_year, 0) as bigint) as due_of_unknown_year
    from areas
    cross join categories
    left join sums
        on sums.area_level = areas.area_level
            and sums.area_id = areas.area_id
            and sums.category_code = categories.category_code
    left join times
        on times.area_level = areas.area_level
            and times.area_id = areas.area_id
            and times.category_code = categories.category_code
)

select * from final
order by area_level, area_id, category_code
