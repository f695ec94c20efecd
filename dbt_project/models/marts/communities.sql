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
        sum(households) as households,
        sum(dwellings) as dwellings,
        sum(residents_age_0_2) as residents_age_0_2,
        sum(residents_age_3_5) as residents_age_3_5,
        sum(residents_age_6_11) as residents_age_6_11,
        sum(residents_age_12_14) as residents_age_12_14,
        sum(residents_age_15_59) as residents_age_15_59,
        sum(residents_age_60_plus) as residents_age_60_plus
    from demand_points
    group by community_id
),

origins as (
    select * from {{ ref('int_community_origins') }}
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
        cast(populations.dwellings as bigint) as dwellings,
        cast(populations.residents_age_0_2 as bigint) as residents_age_0_2,
        cast(populations.residents_age_3_5 as bigint) as residents_age_3_5,
        cast(populations.residents_age_6_11 as bigint) as residents_age_6_11,
        cast(populations.residents_age_12_14 as bigint) as residents_age_12_14,
        cast(populations.residents_age_15_59 as bigint) as residents_age_15_59,
        cast(populations.residents_age_60_plus as bigint) as residents_age_60_plus,
        origins.relation,
        origins.previous_community_ids,
        origins.previous_residents,
        communities.is_geometry_repaired,
        communities.geometry
    from communities
    left join populations
        on communities.community_id = populations.community_id
    left join origins
        on communities.community_id = origins.community_id
)

select * from final
order by community_id
