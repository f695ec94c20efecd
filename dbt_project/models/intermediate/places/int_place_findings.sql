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
    -- not the lines, which are long
    select
        edge_id,
        from_node,
        to_node,
        length_m,
        start_x_m,
        start_y_m,
        end_x_m,
        end_y_m,
        x_min_m,
        y_min_m,
        x_max_m,
        y_max_m
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
        -- the list is published, and a handful of people in one building is nobody's business
        cast(case when buildings.residents >= {{ scoring('population_n_min') }} then buildings.residents end as double)
            as measure,
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
-- that an extract of streets is larger than the city is no finding
held_back as (
    select distinct
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
    where not (quarantined_places.place_type = 'network' and spatial_checks.finding_code = 'out_of_city')
),

-- an edge that was stated too short is as long as it is drawn
short_edges as (
    select
        'edge_shorter_than_line' as finding_code,
        walking_edges.edge_id as subject_id,
        cast(null as varchar) as other_id,
        walking_edges.edge_id,
        walking_edges.length_m - stated_edges.length_m as measure
    from walking_edges
    inner join stated_edges
        on walking_edges.edge_id = stated_edges.edge_id
    where stated_edges.length_m < (1 - {{ scoring('edge_shortfall_max') }}) * walking_edges.length_m
),

line_ends as (
    select
        from_node as node_id,
        edge_id,
        start_x_m as x_m,
        start_y_m as y_m
    from walking_edges
    union all
    select
        to_node as node_id,
        edge_id,
        end_x_m as x_m,
        end_y_m as y_m
    from walking_edges
),

-- the diagonal of the box around them: how far apart they are where they lie in two places, and never less
nodes as (
    select
        node_id,
        min(edge_id) as edge_id,
        sqrt(power(max(x_m) - min(x_m), 2) + power(max(y_m) - min(y_m), 2)) as spread_m
    from line_ends
    group by node_id
),

-- whoever walks there would be carried from one place to the other
nodes_in_two_places as (
    select
        'node_in_two_places' as finding_code,
        node_id as subject_id,
        edge_id as other_id,
        edge_id,
        spread_m as measure
    from nodes
    where spread_m > {{ scoring('node_spread_max_m') }}
),

network_defects as (
    select * from short_edges
    union all
    select * from nodes_in_two_places
),

network_defects_placed as (
    select
        network_defects.*,
        {{ geometry_unprojected(geometry_point(
            '(walking_edges.x_min_m + walking_edges.x_max_m) / 2', '(walking_edges.y_min_m + walking_edges.y_max_m) / 2'
        )) }} as place
    from network_defects
    inner join walking_edges
        on network_defects.edge_id = walking_edges.edge_id
),

defects_of_the_network as (
    select
        finding_code,
        'network' as subject_type,
        subject_id,
        other_id,
        cast(null as varchar) as county_id,
        {{ geometry_x('place') }} as lon,
        {{ geometry_y('place') }} as lat,
        measure,
        'm' as measure_unit
    from network_defects_placed
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
    select * from defects_of_the_network
)

select * from final
