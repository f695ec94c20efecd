{{ config(materialized='table') }}

with

earlier as (
    select * from {{ earlier_releases('geometry/communities', {
        'community_id': 'varchar', 'street_id': 'varchar', 'county_id': 'varchar', 'geometry': 'geometry'
    }) }} as communities
),

communities as (
    select * from {{ ref('stg_communities') }}
),

relations as (
    select * from {{ ref('int_community_relations') }}
),

-- the lake may know the units of the half-year before better than its release
by_relation as (
    select
        '{{ var("previous_half_year") }}' as half_year,
        previous_community_id as earlier_community_id,
        community_id
    from relations
    where relation in ('same', 'renamed')
),

known_by_relation as (
    select '{{ var("previous_half_year") }}' as half_year
    from relations
    group by 1
),

-- most units did not change, and need no overlay
unchanged as (
    select
        earlier.half_year,
        earlier.community_id as earlier_community_id,
        communities.community_id
    from earlier
    inner join communities
        on communities.community_id = earlier.community_id
            and {{ geometry_wkb('communities.geometry') }} = {{ geometry_wkb('earlier.geometry') }}
),

overlapping as (
    select
        earlier.half_year,
        earlier.community_id as earlier_community_id,
        communities.community_id,
        communities.area_m2,
        {{ geometry_area(geometry_projected('earlier.geometry')) }} as earlier_area_m2,
        {{ geometry_area(geometry_projected(geometry_intersection('earlier.geometry', 'communities.geometry'))) }}
            as overlap_m2
    from earlier
    left join unchanged
        on unchanged.half_year = earlier.half_year
            and unchanged.earlier_community_id = earlier.community_id
    inner join communities
        on {{ geometry_intersects('earlier.geometry', 'communities.geometry') }}
    where unchanged.community_id is null
),

by_area as (
    select
        half_year,
        earlier_community_id,
        community_id
    from unchanged
    union all
    select
        half_year,
        earlier_community_id,
        community_id
    from overlapping
    where overlap_m2 >= {{ scoring('community_same_min') }} * greatest(area_m2, earlier_area_m2)
),

same as (
    select * from by_relation
    union all
    select by_area.*
    from by_area
    left join known_by_relation
        on known_by_relation.half_year = by_area.half_year
    where known_by_relation.half_year is null
),

final as (
    select
        earlier.half_year,
        earlier.community_id as earlier_community_id,
        earlier.street_id,
        earlier.county_id,
        same.community_id
    from earlier
    left join same
        on same.half_year = earlier.half_year
            and same.earlier_community_id = earlier.community_id
)

select * from final
