with

communities as (
    select * from {{ ref('stg_communities') }}
),

availability as (
    select * from {{ ref('int_indicator_availability') }}
),

demand_points as (
    select * from {{ ref('int_demand_points') }}
),

surroundings as (
    select * from {{ ref('int_surroundings') }}
),

estates as (
    select
        estate_communities.community_id,
        estates.*
    from {{ ref('stg_estates') }} as estates
    inner join {{ ref('int_point_communities') }} as estate_communities
        on
            estate_communities.point_type = 'estate'
            and estates.estate_id = estate_communities.point_id
),

register as (
    select count(*) > 0 as has_estates
    from {{ ref('stg_estates') }}
),

estate_sums as (
    select
        community_id,
        sum(dwellings) as dwellings,
        sum(case when property_service_model is not null then dwellings else 0 end) as dwellings_known,
        sum(case
            when property_service_model in ('professional', 'community_trustee', 'owner_managed') then dwellings
            else 0
        end) as dwellings_serviced,
        count(property_service_model) as estates_service_known,
        count(*) as estates,
        count(has_ebike_charging) as estates_charging_known,
        {{ count_where("has_ebike_charging") }} as estates_with_charging
    from estates
    group by community_id
),

property_service as (
    select
        communities.community_id,
        'GOV-4' as indicator_code,
        cast(estate_sums.dwellings_serviced as double) as numerator,
        cast(estate_sums.dwellings_known as double) as denominator,
        coalesce(estate_sums.estates_service_known, 0) as n_observations,
        case
            when not register.has_estates then 'feed_missing'
            when estate_sums.dwellings_known < {{ scoring('indicator_min_coverage') }} * estate_sums.dwellings
                then 'coverage_below_minimum'
        end as missing_reason
    from communities
    cross join register
    left join estate_sums
        on communities.community_id = estate_sums.community_id
),

ebike_charging as (
    select
        communities.community_id,
        'CNV-3' as indicator_code,
        cast(estate_sums.estates_with_charging as double) as numerator,
        cast(estate_sums.estates_charging_known as double) as denominator,
        coalesce(estate_sums.estates_charging_known, 0) as n_observations,
        case
            when not register.has_estates then 'feed_missing'
            when estate_sums.estates_charging_known < {{ scoring('indicator_min_coverage') }} * estate_sums.estates
                then 'coverage_below_minimum'
        end as missing_reason
    from communities
    cross join register
    left join estate_sums
        on communities.community_id = estate_sums.community_id
),

type_sums as (
    select
        demand_points.community_id,
        sum(demand_points.residents * surroundings.service_types) as resident_types,
        sum(demand_points.residents) as residents,
        count(*) as points
    from demand_points
    inner join surroundings
        on demand_points.building_id = surroundings.building_id
    group by demand_points.community_id
),

service_types as (
    select
        communities.community_id,
        availability.indicator_code,
        cast(type_sums.resident_types as double) as numerator,
        cast(type_sums.residents as double) as denominator,
        coalesce(type_sums.points, 0) as n_observations,
        case
            when not availability.is_surveyed then 'kind_not_surveyed'
            when not availability.is_size_known then 'size_unverified'
        end as missing_reason
    from communities
    inner join availability
        on
            communities.county_id = availability.county_id
            and availability.indicator_code = 'CNV-2'
    left join type_sums
        on communities.community_id = type_sums.community_id
),

final as (
    select * from property_service
    union all
    select * from ebike_charging
    union all
    select * from service_types
)

select * from final
