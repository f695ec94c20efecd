with

communities as (
    select * from {{ ref('stg_communities') }}
),

indicators as (
    select * from {{ ref('indicators') }}
    where family = 'capacity'
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

-- both levels in one shape: a community, or a county, is an area
areas as (
    select
        'community' as level,
        community_id as area_id,
        community_id,
        county_id
    from communities
    union all
    select
        'county' as level,
        county_id as area_id,
        community_id,
        county_id
    from communities
),

area_groups as (
    select
        indicators.level,
        indicators.indicator_code,
        areas.area_id,
        min(areas.county_id) as county_id,
        sum(community_groups.population) as population,
        {{ count_where("not community_groups.is_complete") }} = 0 as is_complete
    from indicators
    inner join areas
        on indicators.level = areas.level
    left join community_groups
        on
            areas.community_id = community_groups.community_id
            and indicators.target_group = community_groups.group_code
    group by indicators.level, indicators.indicator_code, areas.area_id
),

area_measures as (
    select
        areas.level,
        areas.area_id,
        measures.indicator_code,
        cast(sum(measures.amount) as double) as amount,
        count(*) as facilities,
        count(measures.amount) as facilities_known
    from areas
    inner join measures
        on areas.community_id = measures.community_id
    group by areas.level, areas.area_id, measures.indicator_code
),

final as (
    select
        area_groups.level,
        area_groups.area_id,
        area_groups.indicator_code,
        coalesce(area_measures.amount, 0) as numerator,
        area_groups.population as denominator,
        coalesce(area_measures.facilities_known, 0) as n_observations,
        case
            when not availability.is_surveyed then 'kind_not_surveyed'
            when area_measures.facilities_known < {{ scoring('known_size_min') }} * area_measures.facilities
                then 'size_unverified'
            when not area_groups.is_complete then 'group_unknown'
        end as missing_reason
    from area_groups
    inner join availability
        on
            area_groups.county_id = availability.county_id
            and area_groups.indicator_code = availability.indicator_code
    left join area_measures
        on
            area_groups.level = area_measures.level
            and area_groups.area_id = area_measures.area_id
            and area_groups.indicator_code = area_measures.indicator_code
)

select * from final
