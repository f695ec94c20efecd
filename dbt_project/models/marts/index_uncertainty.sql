with

intervals as (
    select * from {{ ref('stg_uncertainty_intervals') }}
),

areas as (
    select * from {{ ref('areas') }}
),

final as (
    select
        intervals.area_level,
        intervals.area_id,
        areas.area_name,
        case intervals.node_code when 'index' then 'index' else 'dimension' end as node_type,
        intervals.node_code,
        intervals.score,
        intervals.score_low,
        intervals.score_median,
        intervals.score_high,
        intervals.rank,
        intervals.rank_low,
        intervals.rank_high,
        {{ obs_status('intervals.score_low', is_estimated='true') }} as obs_status,
        {{ conf_status() }} as conf_status
    from intervals
    inner join areas
        on
            intervals.area_level = areas.area_level
            and intervals.area_id = areas.area_id
)

select * from final
order by area_level, area_id, node_code
