with

changes as (
    select * from {{ ref('index_changes') }}
    where has_causes
),

shares as (
    select * from {{ ref('int_change_shares') }}
),

steps as (
    select * from {{ ref('int_change_steps') }}
),

-- the same indicator of the same node in its three states, of which each may lack it
pairs as (
    select
        shares.comparison,
        shares.area_level,
        shares.area_id,
        shares.node_code,
        shares.indicator_code,
        max(case when shares.state = 'published' then shares.share end) as share_published,
        max(case when shares.state = 'published' then shares.score end) as score_published,
        max(case when shares.state = 'recomputed' then shares.share end) as share_then,
        max(case when shares.state = 'recomputed' then shares.score end) as score_then,
        max(case when shares.state = 'current' then shares.share end) as share_now,
        max(case when shares.state = 'current' then shares.score end) as score_now
    from shares
    inner join changes
        on changes.comparison = shares.comparison
            and changes.area_level = shares.area_level
            and changes.area_id = shares.area_id
            and changes.node_code = shares.node_code
    group by shares.comparison, shares.area_level, shares.area_id, shares.node_code, shares.indicator_code
),

stepped as (
    select
        pairs.*,
        steps.feed_cause,
        -- what has a score only now, or only had one, has it from the data
        coalesce(steps.score_available, pairs.score_now) as score_available,
        coalesce(steps.by_population, 0) as by_population,
        coalesce(steps.by_facilities, 0) as by_facilities,
        coalesce(steps.by_feed, 0) as by_feed,
        coalesce(steps.by_data, 0) as by_data
    from pairs
    left join steps
        on steps.comparison = pairs.comparison
            and steps.area_level = pairs.area_level
            and steps.area_id = pairs.area_id
            and steps.indicator_code = pairs.indicator_code
            and pairs.score_then is not null
            and pairs.score_now is not null
),

effects as (
    select
        comparison, area_level, area_id, node_code, indicator_code,
        'standard' as cause_code,
        coalesce(share_then * score_then, 0) - coalesce(share_published * score_published, 0) as points
    from stepped
    union all
    select
        comparison, area_level, area_id, node_code, indicator_code,
        'data' as cause_code,
        coalesce(share_now * score_available, 0) - coalesce(share_then * score_then, 0)
        + coalesce(share_now * by_data, 0) as points
    from stepped
    union all
    select
        comparison, area_level, area_id, node_code, indicator_code,
        'population' as cause_code,
        share_now * by_population as points
    from stepped
    union all
    select
        comparison, area_level, area_id, node_code, indicator_code,
        'facilities' as cause_code,
        share_now * by_facilities as points
    from stepped
    union all
    select
        comparison, area_level, area_id, node_code, indicator_code,
        feed_cause as cause_code,
        share_now * by_feed as points
    from stepped
    where feed_cause is not null
),

-- to twelve decimals: below them is what binary arithmetic leaves
summed as (
    select
        area_level,
        area_id,
        comparison,
        node_code,
        indicator_code,
        cause_code,
        {{ exact_sum('points') }} as points
    from effects
    group by area_level, area_id, comparison, node_code, indicator_code, cause_code
),

final as (
    select
        *,
        {{ obs_status('points') }} as obs_status,
        {{ conf_status() }} as conf_status
    from summed
    where abs(points) > 0.00000000001
)

select * from final
order by area_level, area_id, comparison, node_code, indicator_code, cause_code
