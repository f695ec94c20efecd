{{ config(materialized='table') }}

with

communities as (
    select * from {{ ref('stg_communities') }}
),

demand_points as (
    select * from {{ ref('int_demand_points') }}
),

populations as (
    select community_id, sum(residents) as residents
    from demand_points
    group by community_id
),

units as (
    select
        communities.*,
        cast(coalesce(populations.residents, 0) as bigint) as residents
    from communities
    left join populations
        on populations.community_id = communities.community_id
),

final as (
    select
        'community' as area_level,
        community_id as area_id,
        community_name as area_name,
        community_id,
        county_id,
        residents
    from units
    union all
    select
        'street' as area_level,
        street_id as area_id,
        street_name as area_name,
        community_id,
        county_id,
        residents
    from units
    union all
    select
        'county' as area_level,
        county_id as area_id,
        county_name as area_name,
        community_id,
        county_id,
        residents
    from units
    union all
    select
        'city' as area_level,
        {{ dbt.string_literal(dbt.escape_single_quotes(var('city'))) }} as area_id,
        {{ dbt.string_literal(dbt.escape_single_quotes(var('city_name_zh'))) }} as area_name,
        community_id,
        county_id,
        residents
    from units
)

select * from final
