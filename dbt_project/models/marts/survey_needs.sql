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

feed as (
    select
        (select count(*) from {{ ref('stg_survey_responses') }}) > 0
        or (select count(*) from meetings) > 0 as has_needs
),

-- the size of a simple sample of an endless population that would tell as much
sizes as (
    select
        needs.*,
        needs.respondents < {{ scoring('survey_n_min') }} as is_suppressed,
        needs.choosing_respondents < {{ scoring('survey_n_min') }} as is_choice_suppressed,
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
        is_suppressed,
        is_choice_suppressed,
        size,
        choosing_size,
        case when not is_suppressed then effective_respondents end as effective_respondents,
        case when not is_suppressed then weight_score / weight end as mean_importance,
        case when not is_suppressed then weight_important / weight end as important,
        case when not is_choice_suppressed then named_weight / choosing_weight end as urgent,
        case when not is_choice_suppressed then named_category_weight / choosing_weight end as category_urgent
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
        cast(intervals.respondents as bigint) as respondents,
        intervals.effective_respondents,
        intervals.mean_importance,
        100 * intervals.important as important_pct,
        100 * intervals.important_low as important_low_pct,
        100 * intervals.important_high as important_high_pct,
        cast(intervals.choosing_respondents as bigint) as choosing_respondents,
        100 * intervals.urgent as urgent_pct,
        100 * intervals.urgent_low as urgent_low_pct,
        100 * intervals.urgent_high as urgent_high_pct,
        cast(intervals.need_rank as bigint) as need_rank,
        cast(ranges.rank_low as bigint) as rank_low,
        cast(ranges.rank_high as bigint) as rank_high,
        cast(intervals.rank_in_category as bigint) as rank_in_category,
        100 * intervals.category_urgent as category_urgent_pct,
        cast(intervals.category_rank as bigint) as category_rank,
        coalesce(meetings.meetings, 0) as meetings,
        meetings.supporters as meeting_supporters,
        case
            when intervals.respondents + intervals.choosing_respondents > 0 and meetings.meetings is not null
                then 'survey and meetings'
            when meetings.meetings is not null then 'meetings'
            when intervals.respondents + intervals.choosing_respondents > 0 then 'survey'
        end as evidence,
        intervals.is_suppressed and intervals.is_choice_suppressed as is_suppressed
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
