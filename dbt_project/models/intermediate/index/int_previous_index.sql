with

previous as (
    select * from {{ previous_release_table('index_scores', {
        'area_level': 'varchar',
        'area_id': 'varchar',
        'index_score': 'double'
    }) }} as index_scores
),

final as (
    select
        area_level,
        area_id,
        index_score as previous_index_score
    from previous
)

select * from final
