with

communities as (
    select * from {{ ref('stg_communities') }}
),

relations as (
    select * from {{ ref('int_community_relations') }}
    where previous_community_id is not null
),

ranked as (
    select
        previous_community_id,
        community_id,
        row_number() over (
            partition by previous_community_id
            order by share_of_previous_area_pct desc, community_id
        ) as place
    from relations
    where community_id is not null
),

known as (
    select previous_community_id
    from relations
    group by previous_community_id
),

-- where the previous units are not known, the codes are all there is
final as (
    select
        previous_community_id,
        community_id
    from ranked
    where place = 1
    union all
    select
        communities.community_id as previous_community_id,
        communities.community_id
    from communities
    left join known
        on known.previous_community_id = communities.community_id
    where known.previous_community_id is null
)

select * from final
