with

communities as (
    select * from {{ ref('stg_communities') }}
),

clocks as (
    select * from {{ ref('int_repair_clocks') }}
),

feed as (
    select * from {{ ref('int_repair_feed') }}
),

-- a clock is null where the report is not eligible, so counting it counts the denominator
counts as (
    select
        community_id,
        {{ count_where("is_dispatched_in_time") }} as dispatched,
        count(is_dispatched_in_time) as dispatch_eligible,
        {{ count_where("is_responded_in_time_from_dispatch") }} as responded,
        count(is_responded_in_time_from_dispatch) as response_eligible,
        {{ count_where("is_closed_on_time") }} as closed_on_time,
        count(is_closed_on_time) as closure_eligible,
        {{ count_where("is_repeated") }} as repeated,
        count(is_repeated) as repeat_eligible
    from clocks
    group by community_id
),

community_counts as (
    select
        communities.community_id as unit_id,
        feed.*,
        counts.*
    from communities
    cross join feed
    left join counts
        on communities.community_id = counts.community_id
),

dispatch as (
    select
        unit_id,
        'GOV-5' as indicator_code,
        dispatched as numerator,
        dispatch_eligible as denominator,
        has_reports,
        has_dispatch_times as has_times,
        true as has_repeats
    from community_counts
),

response as (
    select
        unit_id,
        'GOV-6' as indicator_code,
        responded as numerator,
        response_eligible as denominator,
        has_reports,
        has_dispatch_times and has_response_times as has_times,
        true as has_repeats
    from community_counts
),

closure as (
    select
        unit_id,
        'CNV-4' as indicator_code,
        closed_on_time as numerator,
        closure_eligible as denominator,
        has_reports,
        has_close_times as has_times,
        true as has_repeats
    from community_counts
),

repeats as (
    select
        unit_id,
        'CNV-5' as indicator_code,
        repeated as numerator,
        repeat_eligible as denominator,
        has_reports,
        has_close_times as has_times,
        has_repeats_marked as has_repeats
    from community_counts
),

all_clocks as (
    select * from dispatch
    union all
    select * from response
    union all
    select * from closure
    union all
    select * from repeats
),

final as (
    select
        unit_id as community_id,
        indicator_code,
        cast(numerator as double) as numerator,
        cast(denominator as double) as denominator,
        cast(coalesce(denominator, 0) as bigint) as n_observations,
        case
            when not has_reports then 'feed_missing'
            when not has_times then 'times_missing'
            when not has_repeats then 'coverage_below_minimum'
        end as missing_reason
    from all_clocks
)

select * from final
