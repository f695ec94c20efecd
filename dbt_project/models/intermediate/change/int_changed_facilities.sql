{{ config(materialized='table') }}

{%- set told = ['kind_code', 'subtype', 'x_m', 'y_m', 'lon', 'lat', 'facility_status', 'floor_area_m2', 'land_area_m2', 'capacity'] %}

with

comparisons as (
    select * from {{ ref('int_comparisons') }}
    where reason_code is null
),

earlier as (
    select * from {{ earlier_releases('tables/facilities', {
        'facility_id': 'varchar', 'kind_code': 'varchar', 'subtype': 'varchar', 'lon': 'double', 'lat': 'double', 'x_m': 'double', 'y_m': 'double',
        'floor_area_m2': 'double', 'land_area_m2': 'double', 'capacity': 'bigint', 'operating_status': 'varchar',
        'facility_status': 'varchar', 'valid_from': 'timestamp', 'valid_to': 'timestamp'
    }) }} as facilities
),

facilities as (
    select * from {{ ref('int_facilities') }}
),

now_and_then as (
    select
        comparisons.comparison,
        comparisons.period_end as earlier_period_end,
        'current' as moment,
        facilities.facility_id,
        {%- for column in told %}
        facilities.{{ column }},
        {%- endfor %}
        facilities.operating_status,
        facilities.valid_from,
        facilities.valid_to
    from comparisons
    cross join facilities
    union all
    select
        comparisons.comparison,
        comparisons.period_end as earlier_period_end,
        'then' as moment,
        earlier.facility_id,
        {%- for column in told %}
        earlier.{{ column }},
        {%- endfor %}
        earlier.operating_status,
        earlier.valid_from,
        earlier.valid_to
    from comparisons
    inner join earlier
        on earlier.half_year = comparisons.half_year
),

pairs as (
    select
        comparison,
        facility_id,
        min(earlier_period_end) as earlier_period_end,
        coalesce(max(case when moment = 'current' then operating_status end) = 'operating', false) as operates,
        coalesce(max(case when moment = 'then' then operating_status end) = 'operating', false) as operated,
        count(case when moment = 'then' then 1 end) > 0 as was_known,
        -- the register of today knows best when it opened and closed
        coalesce(max(case when moment = 'current' then valid_from end), max(valid_from)) as opened_on,
        coalesce(max(case when moment = 'current' then valid_to end), max(valid_to)) as closed_on,
        {%- for column in told %}
        max(case when moment = 'current' then {{ column }} end)
        is distinct from max(case when moment = 'then' then {{ column }} end){{ ' or' if not loop.last }}
        {%- endfor %} as is_told_otherwise
    from now_and_then
    group by comparison, facility_id
),

-- what had opened or closed by the end of the earlier half-year already was only not known then
changed as (
    select
        comparison,
        facility_id,
        case
            when operates and not was_known and opened_on < earlier_period_end then 'register'
            when operated and not operates and closed_on < earlier_period_end then 'register'
            when operates <> operated then 'operation'
            else 'register'
        end as change
    from pairs
    where operates <> operated or (operates and is_told_otherwise)
),

-- where it is and where it was
final as (
    select distinct
        changed.comparison,
        changed.facility_id,
        now_and_then.kind_code,
        now_and_then.lon,
        now_and_then.lat,
        now_and_then.x_m,
        now_and_then.y_m,
        changed.change
    from changed
    inner join now_and_then
        on now_and_then.comparison = changed.comparison
            and now_and_then.facility_id = changed.facility_id
    where now_and_then.operating_status = 'operating'
)

select * from final
