-- Every report of the half-year is in the city once; every located one is in one community, street and county.
with

levels as (
    select
        area_level,
        count(*) as reports,
        {{ count_where('is_located') }} as reports_located
    from {{ ref('int_repair_areas') }}
    group by area_level
),

received as (
    select count(*) as reports
    from {{ ref('stg_repair_reports') }}
),

final as (
    select levels.*
    from levels
    cross join received
    cross join levels as city
    where city.area_level = 'city'
        and (city.reports <> received.reports or levels.reports_located <> city.reports_located)
)

select * from final
