with

community_areas as (
    select * from {{ ref('int_community_areas') }}
    where area_level <> 'community'
),

communities as (
    select area_id as community_id, index_score
    from {{ ref('int_area_index') }}
    where area_level = 'community' and status = 'ok'
),

scored as (
    select
        community_areas.area_level,
        community_areas.area_id,
        community_areas.residents,
        communities.index_score,
        row_number() over (
            partition by community_areas.area_level, community_areas.area_id
            order by communities.index_score, communities.community_id
        ) as worst_order,
        count(*) over (partition by community_areas.area_level, community_areas.area_id) as communities
    from community_areas
    inner join communities
        on communities.community_id = community_areas.community_id
),

-- a tenth of the communities, rounded up
final as (
    select
        area_level,
        area_id,
        100.0 * {{ count_where('index_score < 60') }} / count(*) as communities_below_60_pct,
        {{ exact_sum("case when 10 * (worst_order - 1) < communities then residents * index_score end") }}
        / nullif(sum(case when 10 * (worst_order - 1) < communities then residents end), 0) as worst_tenth_score
    from scored
    group by area_level, area_id
)

select * from final
