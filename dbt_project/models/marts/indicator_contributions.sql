with

scores as (
    select * from {{ ref('int_index_scores') }}
    where index_code = 'headline' and step = 0
),

area_indicators as (
    select * from {{ ref('int_area_indicators') }}
),

missing_reasons as (
    select * from {{ ref('missing_reasons') }}
),

-- what is missing brings nothing, which is not the same as bringing 0
told as (
    select
        scores.area_level,
        scores.area_id,
        scores.node_code as indicator_code,
        scores.parent_code as dimension_code,
        case when area_indicators.missing_reason is null then scores.effective_weight_pct end as effective_weight_pct,
        case when area_indicators.missing_reason is null then scores.contribution_points end as contribution_points,
        area_indicators.suppression,
        missing_reasons.obs_status as missing_status
    from scores
    left join area_indicators
        on area_indicators.area_level = scores.area_level
            and area_indicators.area_id = scores.area_id
            and area_indicators.indicator_code = scores.node_code
    left join missing_reasons
        on missing_reasons.reason_code = area_indicators.missing_reason
),

final as (
    select
        area_level,
        area_id,
        indicator_code,
        dimension_code,
        effective_weight_pct,
        contribution_points,
        {{ obs_status('contribution_points', suppression='suppression', missing_code='missing_status') }} as obs_status,
        {{ conf_status('suppression') }} as conf_status
    from told
)

select * from final
order by area_level, area_id, indicator_code
