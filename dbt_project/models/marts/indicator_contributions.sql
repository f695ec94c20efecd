with

scores as (
    select * from {{ ref('int_index_scores') }}
    where index_code = 'headline' and step = 0
),

final as (
    select
        area_level,
        area_id,
        node_code as indicator_code,
        parent_code as dimension_code,
        effective_weight_pct,
        contribution_points,
        {{ obs_status('contribution_points') }} as obs_status,
        {{ conf_status() }} as conf_status
    from scores
)

select * from final
order by area_level, area_id, indicator_code
