with

projects as (
    select * from {{ projects_before_table('projects', {
        'candidate_id': 'varchar',
        'origin_code': 'varchar',
        'category_code': 'varchar',
        'opened_half_year': 'varchar',
        'closed_half_year': 'varchar',
        'first_seen_half_year': 'varchar',
        'site_lon': 'double',
        'site_lat': 'double'
    }) }} as projects
),

-- a candidate that came back has two projects
latest as (
    select
        *,
        row_number() over (partition by candidate_id order by opened_half_year desc) as life_rank
    from projects
    where origin_code = 'repair_reports'
),

placed as (
    select
        *,
        {{ geometry_projected(geometry_point('site_lon', 'site_lat')) }} as place_m
    from latest
    where life_rank = 1
),

final as (
    select
        candidate_id,
        category_code,
        first_seen_half_year,
        closed_half_year is null as is_open,
        {{ geometry_x('place_m') }} as x_m,
        {{ geometry_y('place_m') }} as y_m
    from placed
)

select * from final
