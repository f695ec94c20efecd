with

place_findings as (
    select * from {{ ref('int_place_findings') }}
),

points_not_snapped as (
    select * from {{ ref('stg_access_not_snapped') }}
),

network_fragments as (
    select * from {{ ref('stg_access_fragments') }}
),

demand_points as (
    select * from {{ ref('int_demand_points') }}
),

points as (
    select
        'building' as point_type,
        buildings.building_id as point_id,
        demand_points.county_id,
        buildings.lon,
        buildings.lat
    from {{ ref('stg_buildings') }} as buildings
    inner join demand_points
        on buildings.building_id = demand_points.building_id
    union all
    select
        'facility' as point_type,
        facility_id as point_id,
        county_id,
        lon,
        lat
    from {{ ref('int_facilities') }}
    where operating_status = 'operating'
),

not_snapped as (
    select
        concat(points_not_snapped.point_type, '_not_snapped') as finding_code,
        points_not_snapped.point_type as subject_type,
        points_not_snapped.point_id as subject_id,
        cast(null as varchar) as other_id,
        points.county_id,
        points.lon,
        points.lat,
        points_not_snapped.distance_m as measure,
        'm' as measure_unit
    from points_not_snapped
    inner join points
        on points_not_snapped.point_type = points.point_type and points_not_snapped.point_id = points.point_id
),

fragments as (
    select
        case when is_usable then 'network_disconnected' else 'network_fragment' end as finding_code,
        'network' as subject_type,
        edge_id as subject_id,
        cast(null as varchar) as other_id,
        cast(null as varchar) as county_id,
        lon,
        lat,
        length_m as measure,
        'm' as measure_unit
    from network_fragments
),

findings as (
    select * from place_findings
    union all
    select * from not_snapped
    union all
    select * from fragments
),

final as (
    select
        findings.finding_code,
        spatial_checks.severity,
        findings.subject_type,
        findings.subject_id,
        findings.other_id,
        findings.county_id,
        findings.lon,
        findings.lat,
        findings.measure,
        findings.measure_unit
    from findings
    -- a code that the standard does not list fails the contract, instead of being left out
    left join {{ ref('spatial_checks') }} as spatial_checks
        on findings.finding_code = spatial_checks.finding_code
)

select * from final
order by finding_code, subject_type, subject_id, other_id nulls first, lon, lat
