with

previous as (
    select * from {{ previous_release_table('index_scores', {
        'area_level': 'varchar',
        'area_id': 'varchar',
        'index_score': 'double'
    }) }} as index_scores
),

relations as (
    select * from {{ ref('int_community_relations') }}
),

compared as (
    select count(*) as pairs
    from relations
),

same as (
    select
        'community' as area_level,
        previous_community_id,
        community_id
    from relations
    where relation in ('same', 'renamed')
),

final as (
    select
        previous.area_level,
        coalesce(same.community_id, previous.area_id) as area_id,
        previous.index_score as previous_index_score
    from previous
    cross join compared
    left join same
        on same.area_level = previous.area_level
            and same.previous_community_id = previous.area_id
    where previous.area_level <> 'community'
        or same.community_id is not null
        -- where the previous units are not known, the codes are all there is
        or compared.pairs = 0
)

select * from final
