{{ config(materialized='table') }}

{#- as decimals, so that what is left of a sum is exactly nothing; six are what ratios have (settled_ratios) -#}
{%- set exact = 'decimal(38, 6)' %}

with

comparisons as (
    select * from {{ ref('int_comparisons') }}
    where reason_code is null
),

values_then as (
    select
        comparisons.comparison,
        earlier_values.area_level,
        earlier_values.area_id,
        earlier_values.indicator_code,
        cast(earlier_values.numerator as {{ exact }}) as numerator,
        cast(earlier_values.denominator as {{ exact }}) as denominator
    from {{ ref('int_earlier_values') }} as earlier_values
    inner join comparisons
        on comparisons.half_year = earlier_values.half_year
    where earlier_values.value is not null
        and earlier_values.area_id is not null
),

values_now as (
    select
        area_level,
        area_id,
        indicator_code,
        cast(numerator as {{ exact }}) as numerator,
        cast(denominator as {{ exact }}) as denominator
    from {{ ref('int_area_indicators') }}
    where value is not null
),

indicators as (
    select
        indicator_code,
        level as unit_level,
        survey_question is not null as is_survey
    from {{ ref('int_indicators') }}
    where is_scored
),

community_areas as (
    select * from {{ ref('int_community_areas') }}
),

earlier_communities as (
    select
        comparisons.comparison,
        earlier.*
    from {{ ref('int_earlier_communities') }} as earlier
    inner join comparisons
        on comparisons.half_year = earlier.half_year
),

events as (
    select * from {{ ref('int_unit_events') }}
),

units_now as (
    select area_level, area_id, 'community' as unit_level, community_id as unit_id
    from community_areas
    union all
    select distinct area_level, area_id, 'county' as unit_level, county_id as unit_id
    from community_areas
),

units_then as (
    select comparison, 'community' as area_level, community_id as area_id, community_id, county_id
    from earlier_communities
    union all
    select comparison, 'street' as area_level, street_id as area_id, community_id, county_id
    from earlier_communities
    union all
    select comparison, 'county' as area_level, county_id as area_id, community_id, county_id
    from earlier_communities
    union all
    select comparison, 'city' as area_level, '{{ var("city") }}' as area_id, community_id, county_id
    from earlier_communities
),

all_units_then as (
    select comparison, area_level, area_id, 'community' as unit_level, community_id as unit_id
    from units_then
    where community_id is not null
    union all
    select distinct comparison, area_level, area_id, 'county' as unit_level, county_id as unit_id
    from units_then
    where area_id is not null
),

-- an indicator that an area has now and had then; where it appeared or vanished there are no terms
areas as (
    select
        values_then.comparison,
        values_now.area_level,
        values_now.area_id,
        values_now.indicator_code,
        indicators.unit_level,
        indicators.is_survey,
        values_then.numerator as numerator_then,
        values_then.denominator as denominator_then,
        values_now.numerator,
        values_now.denominator
    from values_now
    inner join values_then
        on values_then.area_level = values_now.area_level
            and values_then.area_id = values_now.area_id
            and values_then.indicator_code = values_now.indicator_code
    inner join indicators
        on indicators.indicator_code = values_now.indicator_code
),

terms_then as (
    select
        units.comparison,
        units.area_level,
        units.area_id,
        values_then.indicator_code,
        units.unit_id,
        values_then.numerator,
        values_then.denominator
    from all_units_then as units
    inner join indicators
        on indicators.unit_level = units.unit_level
    inner join values_then
        on values_then.comparison = units.comparison
            and values_then.area_level = units.unit_level
            and values_then.area_id = units.unit_id
            and values_then.indicator_code = indicators.indicator_code
),

terms_now as (
    select
        units.area_level,
        units.area_id,
        values_now.indicator_code,
        units.unit_id,
        values_now.numerator,
        values_now.denominator
    from units_now as units
    inner join indicators
        on indicators.unit_level = units.unit_level
    inner join values_now
        on values_now.area_level = units.unit_level
            and values_now.area_id = units.unit_id
            and values_now.indicator_code = indicators.indicator_code
),

unit_ids as (
    select comparison, area_level, area_id, indicator_code, unit_id
    from terms_then
    union
    select comparisons.comparison, terms_now.area_level, terms_now.area_id, terms_now.indicator_code, terms_now.unit_id
    from terms_now
    cross join comparisons
),

-- of a survey too few answers make no value of a unit, and yet count in what they are pooled to: such a unit neither
-- appeared nor vanished, and stays in the rest. Nor did a unit that was another one then, which only its area knows
known_now as (
    select comparison, 'community' as unit_level, community_id as unit_id
    from earlier_communities
    where community_id is not null
    union all
    select distinct comparison, 'county' as unit_level, county_id as unit_id
    from earlier_communities
),

single_terms as (
    select
        areas.comparison,
        areas.area_level,
        areas.area_id,
        areas.indicator_code,
        unit_ids.unit_id,
        terms_then.numerator as numerator_then,
        terms_then.denominator as denominator_then,
        terms_now.numerator,
        terms_now.denominator
    from areas
    inner join unit_ids
        on unit_ids.comparison = areas.comparison
            and unit_ids.area_level = areas.area_level
            and unit_ids.area_id = areas.area_id
            and unit_ids.indicator_code = areas.indicator_code
    inner join known_now
        on known_now.comparison = areas.comparison
            and known_now.unit_level = areas.unit_level
            and known_now.unit_id = unit_ids.unit_id
    left join terms_then
        on terms_then.comparison = unit_ids.comparison
            and terms_then.area_level = unit_ids.area_level
            and terms_then.area_id = unit_ids.area_id
            and terms_then.indicator_code = unit_ids.indicator_code
            and terms_then.unit_id = unit_ids.unit_id
    left join terms_now
        on terms_now.area_level = unit_ids.area_level
            and terms_now.area_id = unit_ids.area_id
            and terms_now.indicator_code = unit_ids.indicator_code
            and terms_now.unit_id = unit_ids.unit_id
    where not areas.is_survey
        or (terms_then.unit_id is not null and terms_now.unit_id is not null)
),

single_sums as (
    select
        comparison,
        area_level,
        area_id,
        indicator_code,
        sum(numerator_then) as numerator_then,
        sum(denominator_then) as denominator_then,
        sum(numerator) as numerator,
        sum(denominator) as denominator
    from single_terms
    group by comparison, area_level, area_id, indicator_code
),

-- what is left of the area, as one unit
rest as (
    select
        areas.comparison,
        areas.area_level,
        areas.area_id,
        areas.indicator_code,
        cast(null as varchar) as unit_id,
        areas.numerator_then - coalesce(single_sums.numerator_then, 0) as numerator_then,
        areas.denominator_then - coalesce(single_sums.denominator_then, 0) as denominator_then,
        areas.numerator - coalesce(single_sums.numerator, 0) as numerator,
        areas.denominator - coalesce(single_sums.denominator, 0) as denominator
    from areas
    left join single_sums
        on single_sums.comparison = areas.comparison
            and single_sums.area_level = areas.area_level
            and single_sums.area_id = areas.area_id
            and single_sums.indicator_code = areas.indicator_code
),

all_terms as (
    select * from single_terms
    union all
    select * from rest
    where denominator_then <> 0 or denominator <> 0 or numerator_then <> 0 or numerator <> 0
),

-- of the rest: whether anything happened in a unit of the area that is not told apart
rest_events as (
    select
        events.comparison,
        units_now.area_level,
        units_now.area_id,
        events.indicator_code,
        max(case when events.has_operation then 1 else 0 end) = 1 as has_operation,
        max(case when events.has_correction then 1 else 0 end) = 1 as has_correction
    from events
    inner join units_now
        on units_now.unit_level = events.unit_level
            and units_now.unit_id = events.unit_id
    left join single_terms
        on single_terms.comparison = events.comparison
            and single_terms.area_level = units_now.area_level
            and single_terms.area_id = units_now.area_id
            and single_terms.indicator_code = events.indicator_code
            and single_terms.unit_id = events.unit_id
    where single_terms.unit_id is null
    group by events.comparison, units_now.area_level, units_now.area_id, events.indicator_code
),

final as (
    select
        all_terms.comparison,
        all_terms.area_level,
        all_terms.area_id,
        all_terms.indicator_code,
        all_terms.unit_id,
        cast(all_terms.numerator_then as double) as numerator_then,
        cast(nullif(all_terms.denominator_then, 0) as double) as denominator_then,
        cast(all_terms.numerator as double) as numerator,
        cast(nullif(all_terms.denominator, 0) as double) as denominator,
        coalesce(events.has_operation, rest_events.has_operation, false) as has_operation,
        coalesce(events.has_correction, rest_events.has_correction, false) as has_correction
    from all_terms
    left join events
        on events.comparison = all_terms.comparison
            and events.indicator_code = all_terms.indicator_code
            and events.unit_id = all_terms.unit_id
    left join rest_events
        on rest_events.comparison = all_terms.comparison
            and rest_events.area_level = all_terms.area_level
            and rest_events.area_id = all_terms.area_id
            and rest_events.indicator_code = all_terms.indicator_code
            and all_terms.unit_id is null
)

select * from final
