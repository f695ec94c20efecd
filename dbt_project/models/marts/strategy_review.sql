{%- set this_half_year = half_year_number("'" ~ var('half_year') ~ "'") -%}

with

projects as (
    select * from {{ ref('projects') }}
),

earlier_projects as (
    select * from {{ ref('int_earlier_projects') }}
),

goal_progress as (
    select * from {{ ref('goal_progress') }}
    where half_year = '{{ var("half_year") }}'
),

facility_kinds as (
    select * from {{ ref('facility_kinds') }}
),

told as (
    select
        half_year,
        project_id,
        kind_code,
        scale_code,
        refresh_code,
        cast(null as double) as cost_cny
    from earlier_projects
    where half_year < '{{ var("half_year") }}'
        and {{ half_year_number('half_year') }} + {{ renewal_limit('pool_half_years') }} > {{ this_half_year }}
    union all
    select
        '{{ var("half_year") }}' as half_year,
        project_id,
        kind_code,
        scale_code,
        refresh_code,
        cost_cny
    from projects
),

looked_at as (
    select count(distinct half_year) as half_years_known
    from told
),

-- a project as it was told of last: large or small, open or gone
latest as (
    select
        *,
        row_number() over (partition by project_id order by half_year desc) as place
    from told
),

macro_projects as (
    select *
    from latest
    where place = 1 and scale_code = 'macro' and kind_code is not null
),

counted as (
    select
        kind_code,
        count(*) as projects,
        {{ count_where("refresh_code = 'closed_by_itself'") }} as closed_by_itself,
        {{ count_where("refresh_code = 'closed_by_project'") }} as closed_by_project,
        {{ count_where("refresh_code = 'without_effect'") }} as without_effect,
        {{ count_where("refresh_code = 'dropped'") }} as dropped,
        {{ count_where("refresh_code in ('new', 'still_open')") }} as open_at_end,
        {{ exact_sum("case when refresh_code in ('new', 'still_open') then cost_cny end") }} as open_cost_cny
    from macro_projects
    group by kind_code
),

judged as (
    select
        counted.*,
        looked_at.half_years_known,
        100.0 * (counted.projects - counted.open_at_end) / counted.projects as drained_pct,
        looked_at.half_years_known >= {{ renewal_limit('never_drains_half_years_min') }}
        and counted.projects - counted.open_at_end <= {{ renewal_limit('never_drains_max') }} * counted.projects
            as never_drains,
        looked_at.half_years_known >= {{ renewal_limit('pool_half_years') }} as is_due
    from counted
    cross join looked_at
),

final as (
    select
        '{{ var("half_year") }}' as half_year,
        judged.kind_code,
        facility_kinds.name_zh as kind_name_zh,
        facility_kinds.name_en as kind_name_en,
        facility_kinds.action_code,
        judged.half_years_known,
        judged.projects,
        cast(judged.closed_by_itself as bigint) as closed_by_itself,
        cast(judged.closed_by_project as bigint) as closed_by_project,
        cast(judged.without_effect as bigint) as without_effect,
        cast(judged.dropped as bigint) as dropped,
        cast(judged.open_at_end as bigint) as open_at_end,
        judged.open_cost_cny,
        judged.drained_pct,
        judged.never_drains,
        goal_progress.goal_code,
        goal_progress.status_code as goal_status_code,
        goal_progress.way_pct as goal_way_pct,
        judged.is_due,
        case
            when not judged.is_due then null
            when judged.never_drains or goal_progress.review_code = 'revise' then 'revise'
            else coalesce(goal_progress.review_code, 'keep')
        end as review_code
    from judged
    inner join facility_kinds
        on facility_kinds.kind_code = judged.kind_code
    left join goal_progress
        on goal_progress.kind_code = judged.kind_code
)

select * from final
order by kind_code
