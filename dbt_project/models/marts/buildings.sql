with

buildings as (
    select * from {{ ref('stg_buildings') }}
),

building_communities as (
    select
        point_id as building_id,
        community_id
    from {{ ref('int_point_communities') }}
    where point_type = 'building'
),

communities as (
    select * from {{ ref('stg_communities') }}
),

final as (
    select
        buildings.building_id,
        communities.community_id,
        communities.street_id,
        communities.county_id,
        buildings.lon,
        buildings.lat,
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
    left join building_communities
        on buildings.building_id = building_communities.building_id
    left join communities
        on building_communities.community_id = communities.community_id
)

select * from final
order by building_id
