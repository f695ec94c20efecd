with

scores as (
    select * from {{ ref('int_index_scores') }}
    where index_code = 'headline' and step = 1
),

final as (
    select
        area_level,
        area_id,
        node_code as dimension_code,
        score,
        weight as weight_pct,
        scored_weight as available_weight,
        available_pct as weight_available_pct,
        status
    from scores
)

select * from final
