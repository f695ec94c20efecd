with

dimension_scores as (
    select * from {{ earlier_releases('tables/dimension_scores', {
        'area_level': 'varchar', 'area_id': 'varchar', 'dimension_code': 'varchar', 'weight_pct': 'double',
        'score': 'double'
    }) }} as dimension_scores
),

index_scores as (
    select * from {{ earlier_releases('tables/index_scores', {
        'area_level': 'varchar', 'area_id': 'varchar', 'index_score': 'double'
    }) }} as index_scores
),

communities as (
    select * from {{ ref('int_earlier_communities') }}
),

nodes as (
    select half_year, area_level, area_id as earlier_area_id, dimension_code as node_code, weight_pct as weight, score
    from dimension_scores
    union all
    select half_year, area_level, area_id as earlier_area_id, 'index' as node_code, 100 as weight, index_score as score
    from index_scores
),

final as (
    select
        nodes.half_year,
        nodes.area_level,
        nodes.earlier_area_id,
        case when nodes.area_level = 'community' then communities.community_id else nodes.earlier_area_id end as area_id,
        nodes.node_code,
        cast(nodes.weight as double) as weight,
        nodes.score
    from nodes
    left join communities
        on communities.half_year = nodes.half_year
            and communities.earlier_community_id = nodes.earlier_area_id
            and nodes.area_level = 'community'
)

select * from final
