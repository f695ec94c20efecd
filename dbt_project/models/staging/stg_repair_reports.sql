with

source as (
    select * from {{ source('lake', 'repair_reports') }}
),

versions as (
    select
        *,
        row_number() over (partition by report_id order by version_at desc) as version_rank
    from source
    where version_at <= {{ utc_var('cut_off') }}
),

latest as (
    select
        *,
        {{ geometry_projected(geometry_point('lon', 'lat')) }} as point_m
    from versions
    where
        version_rank = 1
        and reported_at >= {{ utc_var('period_start') }}
        and reported_at < {{ utc_var('period_end') }}
),

final as (
    select
        report_id,
        version_at,
        reported_at,
        dispatched_at,
        first_response_at,
        due_at,
        closed_at,
        reopen_of as reopened_report_id,
        category_code,
        request_type,
        channel,
        department,
        stated_county_name,
        community_id as stated_community_id,
        asset_id,
        lon,
        lat,
        {{ geometry_x('point_m') }} as x_m,
        {{ geometry_y('point_m') }} as y_m,
        rating,
        status
    from latest
)

select * from final
