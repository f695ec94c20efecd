with

communities as (
    select * from {{ ref('stg_communities') }}
),

demand_points as (
    select * from {{ ref('int_demand_points') }}
),

covered_points as (
    select * from {{ ref('int_covered_points') }}
),

community_groups as (
    select * from {{ ref('int_community_groups') }}
),

availability as (
    select * from {{ ref('int_indicator_availability') }}
),

indicators as (
    select
        indicator_code,
        target_group
    from {{ ref('indicators') }}
    where family = 'coverage' or indicator_code = 'COM-3'
),

covered as (
    select
        demand_points.community_id,
        indicators.indicator_code,
        cast(sum({{ population_of('indicators.target_group', 'demand_points') }}) as double) as covered_population
    from covered_points
    inner join indicators
        on covered_points.indicator_code = indicators.indicator_code
    inner join demand_points
        on covered_points.building_id = demand_points.building_id
    group by demand_points.community_id, indicators.indicator_code
),

final as (
    select
        communities.community_id,
        indicators.indicator_code,
        coalesce(covered.covered_population, 0) as numerator,
        community_groups.population as denominator,
        coalesce(community_groups.points, 0) as n_observations,
        case
            when not availability.is_surveyed then 'kind_not_surveyed'
            when not availability.is_size_known then 'size_unverified'
            when not community_groups.is_known then 'group_unknown'
        end as missing_reason
    from communities
    cross join indicators
    inner join availability
        on
            communities.county_id = availability.county_id
            and indicators.indicator_code = availability.indicator_code
    left join community_groups
        on
            communities.community_id = community_groups.community_id
            and indicators.target_group = community_groups.group_code
    left join covered
        on
            communities.community_id = covered.community_id
            and indicators.indicator_code = covered.indicator_code
)

select * from final
