-- What the causes moved is the change of the score, no more and no less.
with

causes as (
    select
        area_level,
        area_id,
        comparison,
        node_code,
        sum(points) as points
    from {{ ref('index_change_causes') }}
    group by area_level, area_id, comparison, node_code
),

final as (
    select
        changes.area_level,
        changes.area_id,
        changes.comparison,
        changes.node_code,
        changes.change,
        causes.points
    from {{ ref('index_changes') }} as changes
    left join causes
        on causes.area_level = changes.area_level
            and causes.area_id = changes.area_id
            and causes.comparison = changes.comparison
            and causes.node_code = changes.node_code
    where (changes.has_causes and abs(changes.change - coalesce(causes.points, 0)) > 0.000000001)
        or (not changes.has_causes and causes.points is not null)
)

select * from final
