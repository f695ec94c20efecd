{{ config(materialized='table') }}

with

demand_points as (
    select * from {{ ref('int_demand_points') }}
),

nearest_facilities as (
    select * from {{ ref('int_nearest_facilities') }}
),

surroundings as (
    select * from {{ ref('int_surroundings') }}
),

indicator_kinds as (
    select * from {{ ref('indicator_kinds') }}
),

radii as (
    select * from {{ ref('int_indicator_radii') }}
),

simple_indicators as (
    select indicator_code
    from {{ ref('indicators') }}
    where family = 'coverage' and indicator_code <> 'CUL-2'
),

-- a health centre serves like a station, hence the nearest over an indicator's kinds
nearest_counting as (
    select
        nearest_facilities.building_id,
        simple_indicators.indicator_code,
        min(nearest_facilities.nearest_counting_distance_m) as distance_m
    from nearest_facilities
    inner join indicator_kinds
        on nearest_facilities.kind_code = indicator_kinds.kind_code
    inner join simple_indicators
        on indicator_kinds.indicator_code = simple_indicators.indicator_code
    group by nearest_facilities.building_id, simple_indicators.indicator_code
),

nearest_supermarkets as (
    select
        building_id,
        'COM-3' as indicator_code,
        nearest_supermarket_distance_m as distance_m
    from surroundings
),

distances as (
    select
        building_id,
        indicator_code,
        distance_m
    from nearest_counting
    union all
    select
        building_id,
        indicator_code,
        distance_m
    from nearest_supermarkets
),

inside_circles as (
    select
        distances.building_id,
        distances.indicator_code
    from distances
    inner join demand_points
        on distances.building_id = demand_points.building_id
    inner join radii
        on
            distances.indicator_code = radii.indicator_code
            and demand_points.area_type = radii.area_type
    where {{ is_within('distances.distance_m', 'radii.radius_m') }}
),

inside_culture_circles as (
    select
        building_id,
        'CUL-2' as indicator_code
    from surroundings
    where is_in_culture_circle
),

final as (
    select
        building_id,
        indicator_code
    from inside_circles
    union all
    select
        building_id,
        indicator_code
    from inside_culture_circles
)

select * from final
