{{ config(materialized='table') }}

with

goals as (
    select * from {{ ref('renewal_goals') }}
),

facility_kinds as (
    select * from {{ ref('facility_kinds') }}
),

half_years as (
    select half_year from {{ known_releases() }} as known_releases
    where reason = ''
    union all
    select '{{ var("half_year") }}' as half_year
),

-- by the standard of today
index_scores as (
    select
        half_year,
        area_level,
        score
    from {{ ref('int_earlier_scores') }}
    where node_code = 'index'
    union all
    select
        '{{ var("half_year") }}' as half_year,
        area_level,
        index_score as score
    from {{ ref('int_area_index') }}
),

known_kinds as (
    select
        half_year,
        area_id as community_id,
        kind_code
    from {{ earlier_release_tables('kind_access', {
        'area_level': 'varchar', 'area_id': 'varchar', 'kind_code': 'varchar', 'covered_pct': 'double'
    }) }} as earlier
    where area_level = 'community' and covered_pct is not null
    union all
    select
        '{{ var("half_year") }}' as half_year,
        area_id as community_id,
        kind_code
    from {{ ref('kind_access') }}
    where area_level = 'community' and covered_pct is not null
),

shortfalls as (
    select
        half_year,
        community_id,
        kind_code
    from {{ earlier_release_tables('shortfalls', {'community_id': 'varchar', 'kind_code': 'varchar'}) }} as earlier
    union all
    select
        '{{ var("half_year") }}' as half_year,
        community_id,
        kind_code
    from {{ ref('shortfalls') }}
),

judged as (
    select
        known_kinds.half_year,
        known_kinds.kind_code,
        facility_kinds.obligation,
        shortfalls.community_id is not null as is_short
    from known_kinds
    inner join facility_kinds
        on facility_kinds.kind_code = known_kinds.kind_code
    left join shortfalls
        on shortfalls.half_year = known_kinds.half_year
            and shortfalls.community_id = known_kinds.community_id
            and shortfalls.kind_code = known_kinds.kind_code
),

measured as (
    select
        goals.goal_code,
        index_scores.half_year,
        index_scores.score as value
    from goals
    inner join index_scores
        on index_scores.area_level = 'city'
    where goals.measure_code = 'index'
    union all
    select
        goals.goal_code,
        index_scores.half_year,
        100.0 * {{ count_where('index_scores.score >= goals.threshold') }} / nullif(count(index_scores.score), 0) as value
    from goals
    inner join index_scores
        on index_scores.area_level = 'community'
    where goals.measure_code = 'index_at_least_pct'
    group by goals.goal_code, index_scores.half_year
    union all
    select
        goals.goal_code,
        judged.half_year,
        100.0 * {{ count_where('not judged.is_short') }} / count(*) as value
    from goals
    inner join judged
        on judged.kind_code = goals.kind_code
    where goals.measure_code = 'kind_compliant_pct'
    group by goals.goal_code, judged.half_year
    union all
    select
        goals.goal_code,
        judged.half_year,
        cast({{ count_where('judged.is_short') }} as double) as value
    from goals
    inner join judged
        on judged.obligation = 'required'
    where goals.measure_code = 'required_shortfalls'
    group by goals.goal_code, judged.half_year
),

final as (
    select
        goals.goal_code,
        half_years.half_year,
        cast(measured.value as double) as value
    from goals
    cross join half_years
    left join measured
        on measured.goal_code = goals.goal_code
            and measured.half_year = half_years.half_year
)

select * from final
