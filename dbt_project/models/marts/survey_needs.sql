with

needs as (
    select * from {{ ref('int_survey_needs') }}
),

meetings as (
    select * from {{ ref('int_meeting_needs') }}
),

populations as (
    select * from {{ ref('int_survey_populations') }}
    where group_code = 'all'
),

suppressed_cells as (
    select * from {{ ref('stg_suppressed_cells') }}
    where table_name = 'survey_needs'
),

feed as (
    select
        (select count(*) from {{ ref('stg_survey_responses') }}) > 0
        or (select count(*) from meetings) > 0 as has_needs
),

-- the size of a simple sample of an endless population that would tell as much
sizes as (
    select
        needs.*,
        {{ suppression('rated.suppression', 'needs.respondents', 'survey_n_min') }} as suppression,
        {{ suppression('chosen.suppression', 'needs.choosing_respondents', 'survey_n_min') }} as choice_suppression,
        {{ effective_size('needs.weight', 'needs.weight_squared') }} as effective_respondents,
        {{ effective_size('needs.weight', 'needs.weight_squared') }} / coalesce(
            nullif({{ finite_population('needs.respondents', 'populations.population') }}, 0), 1
        ) as size,
        {{ effective_size('needs.choosing_weight', 'needs.choosing_weight_squared') }} / coalesce(
            nullif({{ finite_population('needs.choosing_respondents', 'populations.population') }}, 0), 1
        ) as choosing_size
    from needs
    cross join feed
    left join populations
        on populations.area_level = needs.area_level
            and populations.area_id = needs.area_id
    left join suppressed_cells as rated
        on rated.area_level = needs.area_level
            and rated.area_id = needs.area_id
            and rated.item_code = needs.need_code
    left join suppressed_cells as chosen
        on chosen.area_level = needs.area_level
            and chosen.area_id = needs.area_id
            and chosen.item_code = 'all'
    where feed.has_needs
),

shares as (
    select
        area_level,
        area_id,
        need_code,
        category_code,
        respondents,
        choosing_respondents,
        suppression,
        choice_suppression,
        size,
        choosing_size,
        case when suppression is null then effective_respondents end as effective_respondents,
        case when suppression is null then weight_score / weight end as mean_importance,
        case when suppression is null then weight_important / weight end as important,
        case when choice_suppression is null then named_weight / choosing_weight end as urgent,
        case when choice_suppression is null then named_category_weight / choosing_weight end as category_urgent
    from sizes
),

intervals as (
    select
        *,
        {{ wilson('important', 'size', -1) }} as important_low,
        {{ wilson('important', 'size', 1) }} as important_high,
        {{ wilson('urgent', 'choosing_size', -1) }} as urgent_low,
        {{ wilson('urgent', 'choosing_size', 1) }} as urgent_high,
        case
            when urgent is not null
                then rank() over (partition by area_level, area_id order by urgent desc nulls last)
        end as need_rank,
        case
            when urgent is not null
                then rank() over (partition by area_level, area_id, category_code order by urgent desc nulls last)
        end as rank_in_category,
        -- each category once, by its first need
        case
            when category_urgent is not null
                then dense_rank() over (partition by area_level, area_id order by category_urgent desc nulls last)
        end as category_rank
    from shares
),

-- the ranks that the intervals allow: after all that are clearly more urgent, before all that clearly are less
ranges as (
    select
        intervals.area_level,
        intervals.area_id,
        intervals.need_code,
        1 + {{ count_where("others.urgent_low > intervals.urgent_high") }} as rank_low,
        count(*) - {{ count_where("others.urgent_high < intervals.urgent_low") }} as rank_high
    from intervals
    inner join intervals as others
        on others.area_level = intervals.area_level
            and others.area_id = intervals.area_id
    where intervals.urgent is not null
    group by intervals.area_level, intervals.area_id, intervals.need_code
),

final as (
    select
        intervals.area_level,
        intervals.area_id,
        intervals.need_code,
        intervals.category_code,
        case when intervals.suppression is null then {{ rounded_count('intervals.respondents') }} end as respondents,
        {{ rounded_down_count('intervals.effective_respondents') }} as effective_respondents,
        round(intervals.mean_importance, 2) as mean_importance,
        round(100 * intervals.important, 1) as important_pct,
        round(100 * intervals.important_low, 1) as important_low_pct,
        round(100 * intervals.important_high, 1) as important_high_pct,
        case
            when intervals.choice_suppression is null then {{ rounded_count('intervals.choosing_respondents') }}
        end as choosing_respondents,
        round(100 * intervals.urgent, 1) as urgent_pct,
        round(100 * intervals.urgent_low, 1) as urgent_low_pct,
        round(100 * intervals.urgent_high, 1) as urgent_high_pct,
        cast(intervals.need_rank as bigint) as need_rank,
        cast(ranges.rank_low as bigint) as rank_low,
        cast(ranges.rank_high as bigint) as rank_high,
        cast(intervals.rank_in_category as bigint) as rank_in_category,
        round(100 * intervals.category_urgent, 1) as category_urgent_pct,
        cast(intervals.category_rank as bigint) as category_rank,
        coalesce(meetings.meetings, 0) as meetings,
        {{ rounded_count('meetings.supporters') }} as meeting_supporters,
        case
            when intervals.respondents + intervals.choosing_respondents > 0 and meetings.meetings is not null
                then 'survey and meetings'
            when meetings.meetings is not null then 'meetings'
            when intervals.respondents + intervals.choosing_respondents > 0 then 'survey'
        end as evidence,
        intervals.suppression is not null and intervals.choice_suppression is not null as is_suppressed,
        intervals.suppression,
        intervals.choice_suppression,
        {{ obs_status('intervals.important', suppression='intervals.suppression') }} as obs_status,
        {{ conf_status('intervals.suppression') }} as conf_status
    from intervals
    left join ranges
        on ranges.area_level = intervals.area_level
            and ranges.area_id = intervals.area_id
            and ranges.need_code = intervals.need_code
    left join meetings
        on meetings.area_level = intervals.area_level
            and meetings.area_id = intervals.area_id
            and meetings.need_code = intervals.need_code
)

select * from final
order by area_level, area_id, need_code
