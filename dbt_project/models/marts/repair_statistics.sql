with

clocks as (
    select * from {{ ref('int_repair_clocks') }}
),

stated_counties as (
    select report_id, stated_county_name
    from {{ ref('stg_repair_reports') }}
),

community_areas as (
    select * from {{ ref('int_community_areas') }}
),

areas as (
    select * from {{ ref('areas') }}
),

-- a report without a known place still belongs to the county that it names, and to the city
unlocated as (
    select
        clocks.report_id,
        stated_counties.stated_county_name
    from clocks
    inner join stated_counties
        on stated_counties.report_id = clocks.report_id
    left join areas as communities
        on communities.area_level = 'community'
            and communities.area_id = clocks.community_id
    where communities.area_id is null
),

report_areas as (
    select
        clocks.report_id,
        community_areas.area_level,
        community_areas.area_id,
        true as is_located
    from clocks
    inner join community_areas
        on community_areas.community_id = clocks.community_id
    union all
    select
        unlocated.report_id,
        counties.area_level,
        counties.area_id,
        false as is_located
    from unlocated
    inner join areas as counties
        on counties.area_level = 'county'
            and counties.area_name = unlocated.stated_county_name
    union all
    select
        unlocated.report_id,
        cities.area_level,
        cities.area_id,
        false as is_located
    from unlocated
    inner join areas as cities
        on cities.area_level = 'city'
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

-- times and ratings are those of the reports that count in the index
reports as (
    select
        report_areas.area_level,
        report_areas.area_id,
        report_areas.is_located,
        report_categories.category_code,
        clocks.is_counted,
        clocks.rating,
        clocks.is_dispatched_in_time,
        clocks.is_responded_in_time_from_dispatch,
        clocks.is_responded_in_time_from_report,
        clocks.is_closed_on_time,
        clocks.is_repeated,
        clocks.is_satisfied,
        case when clocks.is_counted then clocks.hours_to_close end as hours_to_close
    from report_areas
    inner join clocks
        on clocks.report_id = report_areas.report_id
    inner join report_categories
        on report_categories.report_id = report_areas.report_id
),

sums as (
    select
        area_level,
        area_id,
        category_code,
        count(*) as reports,
        {{ count_where('is_located') }} as reports_located,
        {%- for flag in [
            'is_dispatched_in_time',
            'is_responded_in_time_from_dispatch',
            'is_responded_in_time_from_report',
            'is_closed_on_time',
            'is_repeated',
            'is_satisfied'
        ] %}
        100.0 * {{ count_where(flag) }} / nullif(count({{ flag }}), 0) as {{ flag }}_pct,
        {%- endfor %}
        {{ percentile('hours_to_close', 0.5) }} as median_close_hours,
        {{ percentile('hours_to_close', 0.9) }} as p90_close_hours,
        100.0 * count(is_satisfied) / nullif({{ count_where('is_counted') }}, 0) as rating_response_pct
    from reports
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
        cast(sums.is_dispatched_in_time_pct as double) as dispatched_24h_pct,
        cast(sums.is_responded_in_time_from_dispatch_pct as double) as responded_24h_from_dispatch_pct,
        cast(sums.is_responded_in_time_from_report_pct as double) as responded_24h_from_report_pct,
        cast(sums.is_closed_on_time_pct as double) as on_time_closure_pct,
        cast(sums.is_repeated_pct as double) as repeat_30d_pct,
        cast(sums.median_close_hours as double) as median_close_hours,
        cast(sums.p90_close_hours as double) as p90_close_hours,
        cast(sums.is_satisfied_pct as double) as rated_4_5_pct,
        cast(sums.rating_response_pct as double) as rating_response_pct
    from areas
    cross join categories
    left join sums
        on sums.area_level = areas.area_level
            and sums.area_id = areas.area_id
            and sums.category_code = categories.category_code
)

select * from final
order by area_level, area_id, category_code
