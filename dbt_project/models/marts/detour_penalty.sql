with

kind_access as (
    select * from {{ ref('kind_access') }}
),

demand_access as (
    select * from {{ ref('demand_access') }}
),

community_areas as (
    select * from {{ ref('int_community_areas') }}
),

community_walks as (
    select
        community_id,
        kind_code,
        count(nearest_counting_network_m) as walks,
        {{ count_where("network_basis = 'network'") }} as walks_on_network
    from demand_access
    group by community_id, kind_code
),

area_walks as (
    select
        community_areas.area_level,
        community_areas.area_id,
        community_walks.kind_code,
        sum(community_walks.walks) as walks,
        sum(community_walks.walks_on_network) as walks_on_network
    from community_areas
    inner join community_walks
        on community_walks.community_id = community_areas.community_id
    group by community_areas.area_level, community_areas.area_id, community_walks.kind_code
),

final as (
    select
        kind_access.area_level,
        kind_access.area_id,
        kind_access.kind_code,
        '{{ "network" if var("walking_network") else "detour_factor" }}' as network_basis,
        cast({{ var('detour_factor') }} as double) as detour_factor,
        case
            when area_walks.walks > 0
                then cast(100.0 * area_walks.walks_on_network / area_walks.walks as double)
        end as on_network_pct,
        kind_access.target_group,
        kind_access.target_population,
        kind_access.covered_population_euclidean,
        kind_access.covered_population_network,
        kind_access.covered_population_euclidean - kind_access.covered_population_network as lost_population,
        kind_access.covered_pct_euclidean,
        kind_access.covered_pct_network,
        case
            when kind_access.covered_pct_network is not null
                then
                    cast(
                        100.0 * (kind_access.covered_population_euclidean - kind_access.covered_population_network)
                        / kind_access.target_population as double
                    )
        end as lost_pct_points,
        kind_access.median_detour_ratio,
        -- without a network the walk is the straight line times a factor
        {{ obs_status(
            'kind_access.covered_pct_network',
            is_estimated='true' if not var('walking_network') else 'false',
            missing_code="'L'"
        ) }} as obs_status,
        {{ conf_status() }} as conf_status
    from kind_access
    left join area_walks
        on area_walks.area_level = kind_access.area_level
            and area_walks.area_id = kind_access.area_id
            and area_walks.kind_code = kind_access.kind_code
)

select * from final
order by area_level, area_id, kind_code
