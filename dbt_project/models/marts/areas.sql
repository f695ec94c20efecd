with

community_areas as (
    select * from {{ ref('int_community_areas') }}
),

communities as (
    select
        *,
        {{ geometry_centroid('geometry') }} as centroid
    from {{ ref('stg_communities') }}
),

demand_points as (
    select * from {{ ref('int_demand_points') }}
),

populations as (
    select
        community_id,
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

units as (
    select
        community_areas.area_level,
        community_areas.area_id,
        community_areas.area_name,
        community_areas.residents,
        communities.street_id,
        communities.street_name,
        communities.county_id,
        communities.county_name,
        communities.area_m2,
        {{ geometry_x('communities.centroid') }} as centroid_lon,
        {{ geometry_y('communities.centroid') }} as centroid_lat,
        populations.*
    from community_areas
    inner join communities
        on communities.community_id = community_areas.community_id
    left join populations
        on populations.community_id = community_areas.community_id
),

-- the centroid of disjoint polygons is the mean of theirs, weighted by area
final as (
    select
        area_level,
        area_id,
        min(area_name) as area_name,
        case when area_level in ('community', 'street') then min(street_id) end as street_id,
        case when area_level in ('community', 'street') then min(street_name) end as street_name,
        case when area_level <> 'city' then min(county_id) end as county_id,
        case when area_level <> 'city' then min(county_name) end as county_name,
        {{ exact_sum('area_m2') }} as area_m2,
        count(*) as communities,
        cast(sum(residents) as bigint) as residents,
        cast(sum(households) as bigint) as households,
        cast(sum(dwellings) as bigint) as dwellings,
        cast(sum(residents_age_0_2) as bigint) as residents_age_0_2,
        cast(sum(residents_age_3_5) as bigint) as residents_age_3_5,
        cast(sum(residents_age_6_11) as bigint) as residents_age_6_11,
        cast(sum(residents_age_12_14) as bigint) as residents_age_12_14,
        cast(sum(residents_age_15_59) as bigint) as residents_age_15_59,
        cast(sum(residents_age_60_plus) as bigint) as residents_age_60_plus,
        {{ exact_sum('centroid_lon * area_m2') }} / {{ exact_sum('area_m2') }} as centroid_lon,
        {{ exact_sum('centroid_lat * area_m2') }} / {{ exact_sum('area_m2') }} as centroid_lat,
        {{ obs_status('sum(residents)') }} as obs_status,
        {{ conf_status() }} as conf_status
    from units
    group by area_level, area_id
)

select * from final
order by area_level, area_id
