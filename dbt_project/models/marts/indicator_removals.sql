with

removals as (
    select * from {{ ref('stg_uncertainty_removals') }}
),

final as (
    select
        indicator_code,
        area_level,
        area_id,
        score,
        score_without,
        score_without - score as score_change,
        rank,
        rank_without,
        rank_without - rank as rank_change,
        {{ obs_status('score_without') }} as obs_status,
        {{ conf_status() }} as conf_status
    from removals
)

select * from final
order by indicator_code, area_level, area_id
