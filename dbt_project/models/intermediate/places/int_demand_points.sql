{{ config(materialized='table') }}

with

buildings as (
    select * from {{ ref('stg_buildings') }}
),

communities as (
    select * from {{ ref('stg_communities') }}
),

building_communities as (
    select
        point_id as building_id,
        community_id
    from {{ ref('int_point_communities') }}
    where point_type = 'building'
),

final as (
    select
        buildings.building_id,
        communities.community_id,
        communities.county_id,
        communities.area_type,
        buildings.x_m,
        buildings.y_m,
        buildings.dwellings,
        buildings.households,
        buildings.residents,
        buildings.residents_age_0_2,
        buildings.residents_age_3_5,
        buildings.residents_age_6_11,
        buildings.residents_age_12_14,
        buildings.residents_age_15_59,
        buildings.residents_age_60_plus
    from buildings
    inner join building_communities
        on buildings.building_id = building_communities.building_id
    inner join communities
        on building_communities.community_id = communities.community_id
)

select * from final
