with

communities as (
    select * from {{ ref('stg_communities') }}
),

relations as (
    select * from {{ ref('int_community_relations') }}
),

compared as (
    select count(*) as pairs
    from relations
),

previous as (
    select * from {{ previous_release_table('areas', {
        'area_level': 'varchar',
        'area_id': 'varchar',
        'residents': 'bigint'
    }) }} as areas
    where area_level = 'community'
),

ranked as (
    select
        community_id,
        previous_community_id,
        relation,
        row_number() over (
            partition by community_id
            order by share_of_area_pct desc, previous_community_id
        ) as place
    from relations
    where community_id is not null
),

origins as (
    select
        community_id,
        max(case when place = 1 then relation end) as relation,
        string_agg(previous_community_id, '|' order by previous_community_id) as previous_community_ids,
        max(case when relation in ('same', 'renamed') then previous_community_id end) as same_community_id
    from ranked
    group by community_id
),

final as (
    select
        communities.community_id,
        origins.relation,
        origins.previous_community_ids,
        previous.residents as previous_residents
    from communities
    cross join compared
    left join origins
        on communities.community_id = origins.community_id
    left join previous
        -- where the previous units are not known, the codes are all there is
        on previous.area_id = case
            when compared.pairs = 0 then communities.community_id
            else origins.same_community_id
        end
)

select * from final
