with

communities as (
    select * from {{ ref('stg_communities') }}
),

pairs as (
    select * from {{ ref('int_unit_neighbours') }}
    where community_id < other_community_id
),

common_areas as (
    select
        communities.community_id,
        others.community_id as other_community_id,
        communities.area_m2,
        others.area_m2 as other_area_m2,
        {{ geometry_intersection('communities.geometry', 'others.geometry') }} as common
    from pairs
    inner join communities
        on pairs.community_id = communities.community_id
    inner join communities as others
        on pairs.other_community_id = others.community_id
),

measured as (
    select
        *,
        {{ geometry_area(geometry_projected('common')) }} as overlap_m2,
        {{ geometry_label_point('common') }} as place
    from common_areas
),

final as (
    select
        community_id,
        other_community_id,
        overlap_m2,
        overlap_m2 >= {{ scoring('community_same_min') }} * greatest(area_m2, other_area_m2) as is_same,
        {{ geometry_x('place') }} as lon,
        {{ geometry_y('place') }} as lat
    from measured
    where overlap_m2 > 0
        -- what comes from drawing is a sliver of both
        and overlap_m2 >= {{ scoring('community_sliver_max') }} * least(area_m2, other_area_m2)
)

select * from final
