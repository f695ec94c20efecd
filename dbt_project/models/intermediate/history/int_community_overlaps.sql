{{ config(materialized='table') }}

with

communities as (
    select * from {{ ref('stg_communities') }}
),

previous_communities as (
    select * from {{ ref('stg_previous_communities') }}
),

-- most units did not change, and need no overlay
unchanged as (
    select communities.community_id
    from communities
    inner join previous_communities
        on previous_communities.community_id = communities.community_id
            and {{ geometry_wkb('previous_communities.geometry') }} = {{ geometry_wkb('communities.geometry') }}
),

communities_to_compare as (
    select communities.*
    from communities
    left join unchanged
        on unchanged.community_id = communities.community_id
    where unchanged.community_id is null
),

previous_to_compare as (
    select previous_communities.*
    from previous_communities
    left join unchanged
        on unchanged.community_id = previous_communities.community_id
    where unchanged.community_id is null
),

common_areas as (
    select
        communities_to_compare.community_id,
        previous_to_compare.community_id as previous_community_id,
        communities_to_compare.area_m2,
        previous_to_compare.area_m2 as previous_area_m2,
        {{ geometry_area(geometry_projected(
            geometry_intersection('previous_to_compare.geometry', 'communities_to_compare.geometry')
        )) }} as overlap_m2
    from communities_to_compare
    inner join previous_to_compare
        on {{ geometry_intersects('previous_to_compare.geometry', 'communities_to_compare.geometry') }}
),

shares as (
    select
        community_id,
        previous_community_id,
        100 * overlap_m2 / previous_area_m2 as share_of_previous_area_pct,
        100 * overlap_m2 / area_m2 as share_of_area_pct
    from common_areas
    where overlap_m2 > 0
),

final as (
    select
        community_id,
        community_id as previous_community_id,
        cast(100 as double) as share_of_previous_area_pct,
        cast(100 as double) as share_of_area_pct
    from unchanged
    union all
    select
        community_id,
        previous_community_id,
        -- the common area of two outlines can be greater than either by a rounding
        least(share_of_previous_area_pct, 100) as share_of_previous_area_pct,
        least(share_of_area_pct, 100) as share_of_area_pct
    from shares
    where greatest(share_of_previous_area_pct, share_of_area_pct) >= 100 * {{ scoring('community_sliver_max') }}
)

select * from final
