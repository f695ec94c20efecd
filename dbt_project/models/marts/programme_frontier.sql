with

frontier as (
    select * from {{ ref('stg_renewal_frontier') }}
),

steps as (
    select
        *,
        row_number() over (partition by objective_code order by budget_cny) as step
    from frontier
),

final as (
    select
        objective_code,
        step,
        budget_cny,
        cost_cny,
        projects,
        value,
        bound,
        gap_pct,
        greedy_value,
        value / nullif(cost_cny, 0) * 1000000 as value_per_million_cny,
        {{ obs_status('value', is_estimated='true') }} as obs_status,
        {{ conf_status() }} as conf_status
    from steps
)

select * from final
order by objective_code, budget_cny
