with

comparisons as (
    select * from {{ ref('stg_uncertainty_comparisons') }}
),

intervals as (
    select * from {{ ref('stg_uncertainty_intervals') }}
    where node_code = 'index'
),

final as (
    select
        comparisons.area_level,
        comparisons.area_id,
        comparisons.other_area_id,
        comparisons.difference,
        comparisons.difference_low,
        comparisons.difference_high,
        comparisons.is_different,
        intervals.score_low <= other_intervals.score_high
        and other_intervals.score_low <= intervals.score_high as intervals_overlap,
        {{ obs_status('comparisons.difference_low', is_estimated='true') }} as obs_status,
        {{ conf_status() }} as conf_status
    from comparisons
    inner join intervals
        on
            comparisons.area_level = intervals.area_level
            and comparisons.area_id = intervals.area_id
    inner join intervals as other_intervals
        on
            comparisons.area_level = other_intervals.area_level
            and comparisons.other_area_id = other_intervals.area_id
)

select * from final
order by area_level, area_id, other_area_id
