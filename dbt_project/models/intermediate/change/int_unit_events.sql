{{ config(materialized='table') }}

with

changed_facilities as (
    select * from {{ ref('int_changed_facilities') }}
),

indicator_kinds as (
    select * from {{ ref('indicator_kinds') }}
),

indicators as (
    select * from {{ ref('int_indicators') }}
    where is_scored
),

radii as (
    select * from {{ ref('int_indicator_radii') }}
),

demand_points as (
    select * from {{ ref('int_demand_points') }}
),

communities as (
    select * from {{ ref('stg_communities') }}
),

-- the straight line is never longer than the walk: what may be in reach, not what is
in_reach as (
    select distinct
        changed_facilities.comparison,
        demand_points.community_id,
        radii.indicator_code,
        changed_facilities.change
    from changed_facilities
    inner join indicator_kinds
        on indicator_kinds.kind_code = changed_facilities.kind_code
    inner join radii
        on radii.indicator_code = indicator_kinds.indicator_code
    inner join demand_points
        on demand_points.area_type = radii.area_type
            and demand_points.x_m between changed_facilities.x_m - radii.radius_m
            and changed_facilities.x_m + radii.radius_m
            and demand_points.y_m between changed_facilities.y_m - radii.radius_m
            and changed_facilities.y_m + radii.radius_m
    where power(demand_points.x_m - changed_facilities.x_m, 2) + power(demand_points.y_m - changed_facilities.y_m, 2)
        <= power(radii.radius_m, 2)
),

-- what has no circle counts the facilities of the unit itself
standing_in as (
    select distinct
        changed_facilities.comparison,
        communities.community_id,
        indicator_kinds.indicator_code,
        changed_facilities.change
    from changed_facilities
    inner join indicator_kinds
        on indicator_kinds.kind_code = changed_facilities.kind_code
    left join radii
        on radii.indicator_code = indicator_kinds.indicator_code
    inner join communities
        on {{ geometry_covers('communities.geometry', geometry_point('changed_facilities.lon', 'changed_facilities.lat')) }}
    where radii.indicator_code is null
),

together as (
    select * from in_reach
    union all
    select * from standing_in
),

final as (
    select
        together.comparison,
        indicators.level as unit_level,
        case indicators.level when 'county' then communities.county_id else communities.community_id end as unit_id,
        together.indicator_code,
        max(case together.change when 'operation' then 1 else 0 end) = 1 as has_operation,
        max(case together.change when 'register' then 1 else 0 end) = 1 as has_correction
    from together
    inner join indicators
        on indicators.indicator_code = together.indicator_code
    inner join communities
        on communities.community_id = together.community_id
    group by 1, 2, 3, 4
)

select * from final
