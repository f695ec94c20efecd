{{ config(materialized='table') }}

with

community_overlaps as (
    select * from {{ ref('int_community_overlaps') }}
),

communities as (
    select * from {{ ref('stg_communities') }}
),

previous_communities as (
    select * from {{ ref('stg_previous_communities') }}
),

compared as (
    select
        *,
        least(share_of_previous_area_pct, share_of_area_pct) >= 100 * {{ scoring('community_same_min') }} as is_same,
        share_of_previous_area_pct > 50 as is_most_of_previous,
        share_of_area_pct > 50 as is_most_of_unit,
        least(share_of_previous_area_pct, share_of_area_pct) > 50 as is_most_of_both
    from community_overlaps
),

counted as (
    select
        *,
        count(case when is_most_of_previous then 1 end) over (partition by community_id) as units_taken_in,
        count(case when is_most_of_unit then 1 end) over (partition by previous_community_id) as units_made_of_previous,
        count(case when is_most_of_both then 1 end) over (partition by previous_community_id) as successors,
        count(case when is_most_of_both then 1 end) over (partition by community_id) as predecessors
    from compared
),

pairs as (
    select
        counted.community_id,
        communities.community_name,
        counted.previous_community_id,
        previous_communities.community_name as previous_community_name,
        case
            when
                counted.is_same
                and communities.community_id = previous_communities.community_id
                and communities.community_name = previous_communities.community_name
                then 'same'
            when counted.is_same then 'renamed'
            when counted.is_most_of_previous and counted.units_taken_in > 1 then 'merged'
            when counted.is_most_of_unit and counted.units_made_of_previous > 1 then 'split'
            when counted.is_most_of_both then 'boundary'
            when counted.successors = 0 then 'split'
            when counted.predecessors = 0 then 'merged'
            else 'boundary'
        end as relation,
        counted.share_of_previous_area_pct,
        counted.share_of_area_pct
    from counted
    inner join communities
        on communities.community_id = counted.community_id
    inner join previous_communities
        on previous_communities.community_id = counted.previous_community_id
),

founded as (
    select
        communities.community_id,
        communities.community_name,
        cast(null as varchar) as previous_community_id,
        cast(null as varchar) as previous_community_name,
        'founded' as relation,
        cast(null as double) as share_of_previous_area_pct,
        cast(null as double) as share_of_area_pct
    from communities
    left join community_overlaps
        on community_overlaps.community_id = communities.community_id
    where community_overlaps.community_id is null
        and exists (select 1 from previous_communities)
),

dissolved as (
    select
        cast(null as varchar) as community_id,
        cast(null as varchar) as community_name,
        previous_communities.community_id as previous_community_id,
        previous_communities.community_name as previous_community_name,
        'dissolved' as relation,
        cast(null as double) as share_of_previous_area_pct,
        cast(null as double) as share_of_area_pct
    from previous_communities
    left join community_overlaps
        on community_overlaps.previous_community_id = previous_communities.community_id
    where community_overlaps.previous_community_id is null
),

final as (
    select * from pairs
    union all
    select * from founded
    union all
    select * from dissolved
)

select * from final
