with

source as (
    select * from {{ source('renewal', 'frontier_projects') }}
),

final as (
    select
        objective_code,
        budget_cny,
        candidate_id,
        cost_cny
    from source
)

select * from final
