with

goals as (
    select * from {{ ref('renewal_goals') }}
),

reviews as (
    select * from {{ ref('renewal_goal_reviews') }}
),

goal_values as (
    select * from {{ ref('int_goal_values') }}
),

releases as (
    select * from {{ known_releases() }} as known_releases
),

vintages as (
    select * from {{ known_vintages() }} as known_vintages
),

starts as (
    select
        goals.*,
        coalesce(goals.start_half_year, min(goal_values.half_year) over (partition by goals.goal_code)) as first_half_year,
        goal_values.half_year,
        goal_values.value,
        case when goals.direction = 'rise' then 1 else -1 end as better
    from goals
    inner join goal_values
        on goal_values.goal_code = goals.goal_code
),

numbered as (
    select
        *,
        {{ half_year_number('first_half_year') }} + half_years - 1 as last_number,
        {{ half_year_number('half_year') }} as number,
        min(case when value is not null then half_year end) over (partition by goal_code) as baseline_half_year
    from starts
    where half_year >= first_half_year
),

based as (
    select
        *,
        {{ half_year_number('baseline_half_year') }} as baseline_number,
        max(case when half_year = baseline_half_year then value end) over (partition by goal_code) as baseline_value
    from numbered
),

targeted as (
    select
        *,
        case
            when target_basis = 'value' then target_value else baseline_value * target_value / 100
        end as target
    from based
),

pathed as (
    select
        *,
        value is not null and better * (value - target) >= 0 as is_reached,
        better * (target - baseline_value) > 0 as is_to_go,
        case
            when number < baseline_number then null
            -- what was good enough from the start must stay so
            when better * (target - baseline_value) <= 0 or number >= last_number then target
            else
                baseline_value
                + (target - baseline_value) * (number - baseline_number) / (last_number - baseline_number)
        end as expected_value
    from targeted
),

with_way as (
    select
        *,
        case
            when value is null then null
            when is_reached then 100
            when is_to_go then 100 - 100 * (target - value) / (target - baseline_value)
            else 0
        end as way_pct,
        case
            when value is null then 'not_known'
            when is_reached then 'reached'
            when better * (value - expected_value) >= -0.000000001 then 'on_course'
            else 'behind'
        end as status_code
    from pathed
),

final as (
    select
        with_way.goal_code,
        with_way.goal_order,
        with_way.name_zh,
        with_way.name_en,
        with_way.measure_code,
        with_way.kind_code,
        with_way.direction,
        with_way.unit,
        with_way.half_year,
        with_way.first_half_year,
        {{ half_year_of_number('with_way.last_number') }} as last_half_year,
        with_way.half_years + with_way.number - with_way.last_number as half_years_elapsed,
        with_way.baseline_half_year,
        with_way.baseline_value,
        cast(with_way.target as double) as target_value,
        with_way.value,
        cast(with_way.expected_value as double) as expected_value,
        cast(with_way.way_pct as double) as way_pct,
        cast(
            case
                when with_way.is_reached then 0
                when with_way.number < with_way.last_number
                    then (with_way.target - with_way.value) / (with_way.last_number - with_way.number)
            end as double
        ) as needed_per_half_year,
        case
            when with_way.status_code <> 'not_known' then with_way.status_code in ('reached', 'on_course')
        end as is_on_course,
        with_way.status_code,
        reviews.review_code,
        {{ obs_status(
            'with_way.value',
            is_provisional="coalesce(vintages.release_stage, '" ~ var('release_stage') ~ "') = 'preliminary'"
        ) }} as obs_status,
        {{ conf_status() }} as conf_status
    from with_way
    left join reviews
        on with_way.number >= with_way.last_number
            and reviews.is_of_known = (with_way.value is not null)
            and coalesce(with_way.way_pct >= reviews.way_from_pct, true)
            and coalesce(with_way.way_pct < reviews.way_below_pct, true)
    left join releases
        on releases.half_year = with_way.half_year
    left join vintages
        on vintages.half_year = releases.half_year
            and vintages.version = releases.version
)

select * from final
order by goal_order, half_year
