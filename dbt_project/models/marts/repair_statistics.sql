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
{%- set counts = [
    'reports', 'reports_located', 'reports_counted', 'reports_open', 'rating_asked', 'due_of_unknown_year',
] %}
{%- for flag, kept, judged, share in promises -%}
    {%- do counts.extend([kept, judged]) -%}
{%- endfor %}
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

suppressed_cells as (
    select * from {{ ref('stg_suppressed_cells') }}
    where table_name = 'repair_statistics'
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

judged as (
    select
        areas.area_level,
        areas.area_id,
        areas.residents,
        categories.category_code,
        {{ suppression('suppressed_cells.suppression', 'sums.ratings', 'population_n_min') }} as suppression,
        {%- for count in counts %}
        coalesce(sums.{{ count }}, 0) as {{ count }},
        {%- endfor %}
        {%- for clock, quantile, name in times %}
        times.{{ name }}{{ ',' if not loop.last }}
        {%- endfor %}
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
    left join suppressed_cells
        on suppressed_cells.area_level = areas.area_level
            and suppressed_cells.area_id = areas.area_id
            and suppressed_cells.group_code = categories.category_code
),

-- counts are rounded, since a few reports of a category in a community point to a household, and shares are those of
-- the rounded counts, which they would otherwise give back; shares and times of fewer than the standard's least number
-- are not shown; what reporters thought is kept back cell by cell
final as (
    select
        area_level,
        area_id,
        category_code,
        {{ rounded_count('reports') }} as reports,
        {{ rounded_count('reports_located') }} as reports_located,
        cast(round(1000.0 * {{ rounded_count('reports') }} / nullif(residents, 0), 2) as double) as reports_per_1000,
        {{ rounded_count('reports_counted') }} as reports_counted,
        {{ rounded_count('reports_open') }} as reports_open,
        {%- for flag, kept, judged, share in promises if flag != 'is_satisfied' %}
        {{ rounded_count(kept) }} as {{ kept }},
        {{ rounded_count(judged) }} as {{ judged }},
        cast(
            case
                when {{ judged }} >= {{ scoring('population_n_min') }} then {{ rounded_share_pct(kept, judged) }}
            end as double
        ) as {{ share }},
        {%- endfor %}
        case when suppression is null then {{ rounded_count('rated_4_5') }} end as rated_4_5,
        case when suppression is null then {{ rounded_count('ratings') }} end as ratings,
        cast(
            case when suppression is null then {{ rounded_share_pct('rated_4_5', 'ratings') }} end as double
        ) as rated_4_5_pct,
        {{ rounded_count('rating_asked') }} as rating_asked,
        cast(
            case when suppression is null then {{ rounded_share_pct('ratings', 'rating_asked') }} end as double
        ) as rating_response_pct,
        {%- for clock, quantile, name in times %}
        cast(
            case when reports_counted >= {{ scoring('population_n_min') }} then round({{ name }}, 1) end as double
        ) as {{ name }},
        {%- endfor %}
        {{ rounded_up_count('due_of_unknown_year') }} as due_of_unknown_year,
        suppression,
        {{ obs_status(
            'case when suppression is null then nullif(ratings, 0) end', suppression='suppression', missing_code="'M'"
        ) }} as obs_status,
        {{ conf_status('suppression') }} as conf_status
    from judged
)

select * from final
order by area_level, area_id, category_code
