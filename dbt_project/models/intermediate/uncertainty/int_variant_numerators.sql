{{ config(materialized='table') }}

with

distances as (
    select * from {{ ref('int_variant_distances') }}
),

variants as (
    select * from {{ ref('int_variants') }}
),

demand_points as (
    select * from {{ ref('int_demand_points') }}
),

radii as (
    select * from {{ ref('int_indicator_radii') }}
),

indicators as (
    select * from {{ ref('indicators') }}
),

circles as (
    select
        demand_points.community_id,
        distances.indicator_code,
        distances.distance_type,
        distances.distance_m,
        radii.radius_m,
        {{ population_of('indicators.target_group', 'demand_points') }} as population
    from distances
    inner join demand_points
        on distances.building_id = demand_points.building_id
    inner join indicators
        on distances.indicator_code = indicators.indicator_code
    inner join radii
        on
            distances.indicator_code = radii.indicator_code
            and demand_points.area_type = radii.area_type
),

final as (
    select
        circles.community_id,
        circles.indicator_code,
        variants.distance_type,
        variants.walking_speed,
        cast(sum(circles.population) as double) as numerator
    from circles
    inner join variants
        on
            circles.distance_type = variants.distance_type
            and {{ is_within('circles.distance_m', 'circles.radius_m * variants.walking_factor') }}
    group by circles.community_id, circles.indicator_code, variants.distance_type, variants.walking_speed
)

select * from final
