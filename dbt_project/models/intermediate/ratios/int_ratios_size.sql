with

communities as (
    select * from {{ ref('stg_communities') }}
),

indicators as (
    select * from {{ ref('indicators') }}
    where family = 'size'
),

availability as (
    select * from {{ ref('int_indicator_availability') }}
),

measures as (
    select * from {{ ref('int_facility_measures') }}
),

community_groups as (
    select * from {{ ref('int_community_groups') }}
),

health_facilities as (
    select facilities.*
    from {{ ref('int_facilities') }} as facilities
    inner join {{ ref('indicator_kinds') }} as indicator_kinds
        on facilities.kind_code = indicator_kinds.kind_code
    where
        facilities.operating_status = 'operating'
        and indicator_kinds.indicator_code = 'HLT-3'
),

areas as (
    select
        community_id,
        indicator_code,
        cast(sum(amount) as double) as amount,
        count(*) as facilities,
        count(amount) as facilities_known
    from measures
    group by community_id, indicator_code
),

area_ratios as (
    select
        communities.community_id,
        indicators.indicator_code,
        coalesce(areas.amount, 0) as numerator,
        community_groups.population as denominator,
        coalesce(areas.facilities_known, 0) as n_observations,
        case
            when not availability.is_surveyed then 'kind_not_surveyed'
            when areas.facilities_known < {{ scoring('known_size_min') }} * areas.facilities then 'size_unverified'
            when not community_groups.is_complete then 'group_unknown'
        end as missing_reason
    from communities
    cross join indicators
    inner join availability
        on
            communities.county_id = availability.county_id
            and indicators.indicator_code = availability.indicator_code
    left join areas
        on
            communities.community_id = areas.community_id
            and indicators.indicator_code = areas.indicator_code
    left join community_groups
        on
            communities.community_id = community_groups.community_id
            and indicators.target_group = community_groups.group_code
    where indicators.summed_measure is not null
),

health_counts as (
    select
        community_id,
        {{ count_where("is_large_enough") }} as large_enough,
        {{ count_where("is_large_enough is not null") }} as known
    from health_facilities
    group by community_id
),

health_ratios as (
    select
        communities.community_id,
        availability.indicator_code,
        cast(coalesce(health_counts.large_enough, 0) as double) as numerator,
        cast(coalesce(health_counts.known, 0) as double) as denominator,
        cast(coalesce(health_counts.known, 0) as bigint) as n_observations,
        case
            when not availability.is_surveyed then 'kind_not_surveyed'
            when not availability.is_size_known then 'size_unverified'
        end as missing_reason
    from communities
    inner join availability
        on
            communities.county_id = availability.county_id
            and availability.indicator_code = 'HLT-3'
    left join health_counts
        on communities.community_id = health_counts.community_id
),

final as (
    select * from area_ratios
    union all
    select * from health_ratios
)

select * from final
