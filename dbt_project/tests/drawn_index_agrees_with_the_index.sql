-- What was drawn around is the index: its twin in Python has the same scores and ranks, for the same areas.
with

intervals as (
    select * from {{ ref('stg_uncertainty_intervals') }}
),

scores as (
    select * from {{ ref('int_index_scores') }}
    where index_code = 'headline' and step > 0 and score is not null
),

final as (
    select
        scores.area_level,
        scores.area_id,
        scores.node_code,
        scores.score,
        scores.rank,
        intervals.score as drawn_score,
        intervals.rank as drawn_rank
    from scores
    left join intervals
        on
            scores.area_level = intervals.area_level
            and scores.area_id = intervals.area_id
            and scores.node_code = intervals.node_code
    where
        exists (select 1 from intervals)
        and (
            intervals.score is null
            or abs(scores.score - intervals.score) > 1e-8
            or scores.rank <> intervals.rank
        )
)

select * from final
