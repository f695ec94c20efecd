with

source as (
    select * from {{ source('renewal', 'frontier') }}
),

final as (
    select
        objective_code,
        budget_cny,
        cost_cny,
        projects,
        value,
        bound,
        gap_pct,
        greedy_value
    from source
)

select * from final
