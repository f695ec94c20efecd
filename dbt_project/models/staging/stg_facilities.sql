{%- set filled = [
    'facility_name', 'subtype', 'floor_area_m2', 'land_area_m2', 'capacity', 'function_count', 'car_spaces',
    'ev_chargers', 'ebike_charging_ports', 'host_facility_id', 'opened_on',
] -%}

with

source as (
    select * from {{ source('lake', 'facilities') }}
),

-- every pair of rows that mean one facility is there: a row is the `other` one as often as there are preferred rows
matched as (
    select
        other_facility_id as facility_id,
        canonical_facility_id,
        count(*) as preference
    from {{ ref('stg_facility_matches') }}
    where decision = 'same'
    group by other_facility_id, canonical_facility_id
),

of_facility as (
    select
        source.*,
        coalesce(matched.canonical_facility_id, source.facility_id) as canonical_facility_id,
        coalesce(matched.preference, 0) as preference
    from source
    left join matched
        on source.facility_id = matched.facility_id
),

filled_in as (
    select
        canonical_facility_id as facility_id,
        kind_code,
        lon,
        lat,
        operating_status,
        -- tells of the operating status, and so is taken from the same row
        closed_on,
        preference,
        {%- for column in filled %}
        first_value({{ column }} ignore nulls) over preferred as {{ column }},
        {%- endfor %}
        count(*) over (partition by canonical_facility_id) as source_count
    from of_facility
    window preferred as (
        partition by canonical_facility_id
        order by preference
        rows between unbounded preceding and unbounded following
    )
),

matched_ids as (
    select
        canonical_facility_id,
        string_agg(facility_id, '|' order by preference) as matched_facility_ids
    from matched
    group by canonical_facility_id
),

projected as (
    select
        *,
        {{ geometry_projected(geometry_point('lon', 'lat')) }} as point_m
    from filled_in
    where preference = 0
),

final as (
    select
        projected.facility_id,
        projected.facility_name,
        projected.kind_code,
        projected.subtype,
        projected.lon,
        projected.lat,
        {{ geometry_x('projected.point_m') }} as x_m,
        {{ geometry_y('projected.point_m') }} as y_m,
        projected.floor_area_m2,
        projected.land_area_m2,
        projected.capacity,
        projected.function_count,
        projected.car_spaces,
        projected.ev_chargers,
        projected.ebike_charging_ports,
        projected.operating_status,
        projected.opened_on,
        projected.closed_on,
        coalesce(hosts.canonical_facility_id, projected.host_facility_id) as host_facility_id,
        projected.source_count,
        matched_ids.matched_facility_ids
    from projected
    left join matched_ids
        on projected.facility_id = matched_ids.canonical_facility_id
    left join matched as hosts
        on projected.host_facility_id = hosts.facility_id
)

select * from final
