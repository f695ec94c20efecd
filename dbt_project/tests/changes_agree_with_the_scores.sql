-- The index and its change are the same wherever they are shown.
select
    changes.area_level,
    changes.area_id,
    changes.score_now,
    changes.score_before_published,
    index_scores.index_score,
    index_scores.previous_index_score
from {{ ref('index_changes') }} as changes
inner join {{ ref('index_scores') }} as index_scores
    on index_scores.area_level = changes.area_level
        and index_scores.area_id = changes.area_id
where changes.node_code = 'index'
    and changes.comparison = 'previous'
    and (
        changes.score_now is distinct from index_scores.index_score
        or (
            changes.is_comparable
            and changes.score_before_published is distinct from index_scores.previous_index_score
        )
    )
