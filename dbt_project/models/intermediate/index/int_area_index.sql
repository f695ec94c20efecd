with

scores as (
    select * from {{ ref('int_index_scores') }}
    where parent_code is null
),

headline as (
    select * from scores
    where index_code = 'headline'
),

controls as (
    select
        area_level,
        area_id,
        max(case when index_code = 'equal_weights' then score end) as equal_weights_score,
        max(case when index_code = 'geometric' then score end) as geometric_score
    from scores
    group by area_level, area_id
),

-- the headline says whether there is an index; the controls say no more than how else it could have been
final as (
    select
        headline.area_level,
        headline.area_id,
        headline.score as index_score,
        case when headline.status = 'ok' then controls.equal_weights_score end as index_score_equal_weights,
        case when headline.status = 'ok' then controls.geometric_score end as index_score_geometric,
        headline.available_pct as weight_available_pct,
        headline.scored_weight as scored_weight_pct,
        headline.rank,
        headline.ranked_units as ranked_areas,
        headline.tied_units as tied_areas,
        headline.status
    from headline
    inner join controls
        on controls.area_level = headline.area_level
            and controls.area_id = headline.area_id
)

select * from final
