{{ config(materialized='table') }}

with

indicators as (
    select * from {{ ref('indicators') }}
    where family = 'coverage' or indicator_code in ('COM-3', 'CNV-2')
),

variants as (
    select * from {{ ref('int_variants') }}
),

community_areas as (
    select * from {{ ref('int_community_areas') }}
),

-- which communities an indicator has a value of does not hang on how covered is judged
community_ratios as (
    select * from {{ ref('int_indicator_ratios') }}
    where missing_reason is null
),

area_ratios as (
    select * from {{ ref('int_area_ratios') }}
    where missing_reason is null
),

numerators as (
    select * from {{ ref('int_variant_numerators') }}
),

pooled as (
    select
        community_areas.area_level,
        community_areas.area_id,
        numerators.indicator_code,
        numerators.distance_type,
        numerators.walking_speed,
        {{ exact_sum('numerators.numerator') }} as numerator
    from community_areas
    inner join numerators
        on community_areas.community_id = numerators.community_id
    inner join community_ratios
        on
            numerators.community_id = community_ratios.community_id
            and numerators.indicator_code = community_ratios.indicator_code
    group by
        community_areas.area_level,
        community_areas.area_id,
        numerators.indicator_code,
        numerators.distance_type,
        numerators.walking_speed
),

final as (
    select
        area_ratios.area_level,
        area_ratios.area_id,
        area_ratios.indicator_code,
        variants.distance_type,
        variants.walking_speed,
        variants.walking_factor,
        variants.is_headline,
        indicators.multiplier * coalesce(pooled.numerator, 0) / area_ratios.denominator as value
    from area_ratios
    inner join indicators
        on area_ratios.indicator_code = indicators.indicator_code
    cross join variants
    left join pooled
        on
            area_ratios.area_level = pooled.area_level
            and area_ratios.area_id = pooled.area_id
            and area_ratios.indicator_code = pooled.indicator_code
            and variants.distance_type = pooled.distance_type
            and variants.walking_speed = pooled.walking_speed
)

select * from final
