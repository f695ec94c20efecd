-- Each community has each community-level indicator, each county each county-level one: numbers or a reason.
with

indicators as (
    select * from {{ ref('int_indicators') }}
),

communities as (
    select * from {{ ref('stg_communities') }}
),

expected as (
    select
        communities.community_id as area_id,
        indicators.indicator_code
    from communities
    cross join indicators
    where indicators.level = 'community'
    union
    select
        communities.county_id as area_id,
        indicators.indicator_code
    from communities
    cross join indicators
    where indicators.level = 'county'
),

ratios as (
    select
        community_id as area_id,
        indicator_code,
        numerator,
        denominator,
        missing_reason
    from {{ ref('int_indicator_ratios') }}
    union all
    select
        county_id as area_id,
        indicator_code,
        numerator,
        denominator,
        missing_reason
    from {{ ref('int_county_indicator_ratios') }}
),

final as (
    select
        coalesce(expected.area_id, ratios.area_id) as area_id,
        coalesce(expected.indicator_code, ratios.indicator_code) as indicator_code,
        ratios.missing_reason
    from expected
    full outer join ratios
        on
            expected.area_id = ratios.area_id
            and expected.indicator_code = ratios.indicator_code
    where
        expected.area_id is null
        or ratios.area_id is null
        or (ratios.missing_reason is null and (ratios.numerator is null or ratios.denominator is null))
        or (ratios.missing_reason is not null and (ratios.numerator is not null or ratios.denominator is not null))
)

select * from final
