-- What was in a pool, and came, is what left it and what stayed; and what stayed is in the projects.
with

pool_flows as (
    select * from {{ ref('pool_flows') }}
),

projects as (
    select
        pool_code,
        count(*) as open_now
    from {{ ref('projects') }}
    where refresh_code in ('new', 'still_open')
    group by pool_code
),

final as (
    select pool_flows.*
    from pool_flows
    left join projects
        on projects.pool_code = pool_flows.pool_code
    where pool_flows.at_start + pool_flows.opened + pool_flows.moved_in - pool_flows.moved_out
        - pool_flows.closed_by_itself - pool_flows.closed_by_project - pool_flows.without_effect - pool_flows.dropped
        <> pool_flows.open_at_end
        or (
            pool_flows.half_year = '{{ var("half_year") }}'
            and pool_flows.open_at_end <> coalesce(projects.open_now, 0)
        )
)

select * from final
