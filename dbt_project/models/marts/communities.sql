with

communities as (
    select * from {{ ref('stg_communities') }}
),

demand_points as (
    select * from {{ ref('int_demand_points') }}
),

populations as (
    select
        community_id,
        sum(residents) as residents,
        sum(households) as households
    from demand_points
    group by community_id
),

final as (
    select
        communities.community_id,
        communities.community_name,
        communities.street_id,
        communities.street_name,
        communities.county_id,
        communities.county_name,
        communities.area_type,
        communities.area_m2,
        cast(coalesce(populations.residents, 0) as bigint) as residents,
        cast(populations.households as bigint) as households,
        communities.is_geometry_repaired,
        communities.geometry
    from communities
    left join populations
        on communities.community_id = populations.community_id
)

select * from final
order by community_id
