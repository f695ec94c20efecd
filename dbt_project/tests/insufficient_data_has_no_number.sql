-- `insufficient_data` and a number exclude each other, at every step from the indicator to the rank. An indicator with
-- `no_comparison` has a value, and nothing else.
with

judged as (
    select
        area_level,
        area_id,
        indicator_code as part,
        case status when 'no_comparison' then 'ok' else status end as status,
        value as number
    from {{ ref('indicator_values') }}
    union all
    select area_level, area_id, indicator_code as part, status, score as number
    from {{ ref('indicator_values') }}
    where weight > 0 -- what is not scored has a value only
    union all
    select area_level, area_id, dimension_code as part, status, score as number
    from {{ ref('dimension_scores') }}
    union all
    select area_level, area_id, 'index' as part, status, index_score as number
    from {{ ref('index_scores') }}
    union all
    select area_level, area_id, 'rank' as part, status, rank as number
    from {{ ref('index_scores') }}
    union all
    select area_level, area_id, indicator_code as part, status, case when missing_reason is null then 1 end as number
    from {{ ref('indicator_values') }}
),

final as (
    select * from judged
    where (status = 'ok') <> (number is not null)
)

select * from final
