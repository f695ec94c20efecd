{{ config(materialized='table') }}

with

communities as (
    select
        *,
        {{ geometry_label_point('geometry') }} as place
    from {{ ref('stg_communities') }}
),

buildings as (
    select * from {{ ref('stg_buildings') }}
),

facilities as (
    select * from {{ ref('int_facilities') }}
),

demand_points as (
    select * from {{ ref('int_demand_points') }}
),

unit_overlaps as (
    select * from {{ ref('int_unit_overlaps') }}
),

unit_gaps as (
    select * from {{ ref('int_unit_gaps') }}
),

unreached_facilities as (
    select * from {{ ref('int_unreached_facilities') }}
),

quarantined_places as (
    select * from {{ ref('stg_quarantined_places') }}
),

spatial_checks as (
    select * from {{ ref('spatial_checks') }}
),

stated_edges as (
    select * from {{ source('lake', 'walking_edges') }}
),

walking_edges as (
    select
        *,
        {{ geometry_unprojected(geometry_point('(x_min_m + x_max_m) / 2', '(y_min_m + y_max_m) / 2')) }} as place
    from {{ ref('stg_walking_edges') }}
),

inhabited_units as (
    select
        community_id,
        sum(residents) as residents
    from demand_points
    group by community_id
),

polygons_repaired as (
    select
        'polygon_repaired' as finding_code,
        'community' as subject_type,
        community_id as subject_id,
        cast(null as varchar) as other_id,
        county_id,
        {{ geometry_x('place') }} as lon,
        {{ geometry_y('place') }} as lat,
        area_m2 as measure,
        'm2' as measure_unit
    from communities
    where is_geometry_repaired
),

overlapping_units as (
    select
        case when unit_overlaps.is_same then 'duplicate_unit' else 'units_overlap' end as finding_code,
        'community' as subject_type,
        unit_overlaps.community_id as subject_id,
        unit_overlaps.other_community_id as other_id,
        communities.county_id,
        unit_overlaps.lon,
        unit_overlaps.lat,
        unit_overlaps.overlap_m2 as measure,
        'm2' as measure_unit
    from unit_overlaps
    inner join communities
        on unit_overlaps.community_id = communities.community_id
),

gaps as (
    select
        'gap_between_units' as finding_code,
        'community' as subject_type,
        unit_gaps.community_id as subject_id,
        unit_gaps.neighbour_ids as other_id,
        communities.county_id,
        unit_gaps.lon,
        unit_gaps.lat,
        unit_gaps.gap_m2 as measure,
        'm2' as measure_unit
    from unit_gaps
    inner join communities
        on unit_gaps.community_id = communities.community_id
),

-- that a city has no buildings at all is told once, in data_gaps
units_without_people as (
    select
        'unit_without_people' as finding_code,
        'community' as subject_type,
        communities.community_id as subject_id,
        cast(null as varchar) as other_id,
        communities.county_id,
        {{ geometry_x('communities.place') }} as lon,
        {{ geometry_y('communities.place') }} as lat,
        communities.area_m2 as measure,
        'm2' as measure_unit
    from communities
    left join inhabited_units
        on communities.community_id = inhabited_units.community_id
    where coalesce(inhabited_units.residents, 0) = 0
        and exists (select 1 from buildings)
),

buildings_outside_units as (
    select
        'building_outside_units' as finding_code,
        'building' as subject_type,
        buildings.building_id as subject_id,
        cast(null as varchar) as other_id,
        cast(null as varchar) as county_id,
        buildings.lon,
        buildings.lat,
        cast(buildings.residents as double) as measure,
        'residents' as measure_unit
    from buildings
    left join demand_points
        on buildings.building_id = demand_points.building_id
    where demand_points.building_id is null
),

facilities_outside_units as (
    select
        'facility_outside_units' as finding_code,
        'facility' as subject_type,
        facility_id as subject_id,
        cast(null as varchar) as other_id,
        county_id,
        lon,
        lat,
        cast(null as double) as measure,
        cast(null as varchar) as measure_unit
    from facilities
    where community_id is null
),

facilities_out_of_reach as (
    select
        'facility_out_of_reach' as finding_code,
        'facility' as subject_type,
        facilities.facility_id as subject_id,
        cast(null as varchar) as other_id,
        facilities.county_id,
        facilities.lon,
        facilities.lat,
        cast({{ scoring('access_search_limit_m') }} as double) as measure,
        'm' as measure_unit
    from facilities
    inner join unreached_facilities
        on facilities.facility_id = unreached_facilities.facility_id
),

-- reasons of the feed gate that are a finding about a place
held_back as (
    select
        spatial_checks.finding_code,
        quarantined_places.place_type as subject_type,
        coalesce(quarantined_places.place_id, quarantined_places.place_row) as subject_id,
        quarantined_places.place_row as other_id,
        cast(null as varchar) as county_id,
        quarantined_places.lon,
        quarantined_places.lat,
        cast(null as double) as measure,
        cast(null as varchar) as measure_unit
    from quarantined_places
    inner join spatial_checks
        on concat(';', quarantined_places.reason_codes, ';') like concat('%;', spatial_checks.finding_code, ';%')
),

-- an edge that was stated too short is as long as the straight line
short_edges as (
    select
        'edge_shorter_than_line' as finding_code,
        'network' as subject_type,
        walking_edges.edge_id as subject_id,
        cast(null as varchar) as other_id,
        cast(null as varchar) as county_id,
        {{ geometry_x('walking_edges.place') }} as lon,
        {{ geometry_y('walking_edges.place') }} as lat,
        walking_edges.length_m - stated_edges.length_m as measure,
        'm' as measure_unit
    from walking_edges
    inner join stated_edges
        on walking_edges.edge_id = stated_edges.edge_id
    where stated_edges.length_m < (1 - {{ scoring('edge_shortfall_max') }}) * walking_edges.length_m
),

final as (
    select * from polygons_repaired
    union all
    select * from overlapping_units
    union all
    select * from gaps
    union all
    select * from units_without_people
    union all
    select * from buildings_outside_units
    union all
    select * from facilities_outside_units
    union all
    select * from facilities_out_of_reach
    union all
    select * from held_back
    union all
    select * from short_edges
)

select * from final
