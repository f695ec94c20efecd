with

source as (
    select * from {{ source('lake', 'repair_reports') }}
),

-- of two versions of one moment the one received later counts
versions as (
    select
        *,
        row_number() over (partition by report_id order by version_at desc, received_order desc) as version_rank
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
        and coalesce(status, 'open') <> 'deleted'
        and reported_at >= {{ utc_var('period_start') }}
        and reported_at < {{ utc_var('period_end') }}
),

-- what happened after the cut-off was not known at the cut-off, even where the source keeps no earlier version
final as (
    select
        report_id,
        version_at,
        reported_at,
        case when dispatched_at <= {{ utc_var('cut_off') }} then dispatched_at end as dispatched_at,
        case when first_response_at <= {{ utc_var('cut_off') }} then first_response_at end as first_response_at,
        due_at,
        case when closed_at <= {{ utc_var('cut_off') }} then closed_at end as closed_at,
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
        case when coalesce(closed_at <= {{ utc_var('cut_off') }}, true) then rating end as rating,
        case when coalesce(closed_at <= {{ utc_var('cut_off') }}, true) then status else 'open' end as status
    from latest
)

select * from final
