{%- set half_width_m = scoring('community_gap_width_m') ~ ' / 2' -%}

with

communities as (
    select * from {{ ref('stg_communities') }}
),

counties as (
    select {{ geometry_union('geometry') }} as geometry
    from communities
    group by county_id
),

-- what is narrower than a gap closes: borders that were drawn twice do not meet to the last bit
widened as (
    select {{ geometry_widened(geometry_projected('geometry'), half_width_m) }} as geometry_m
    from counties
),

-- of the whole city: a county that lies within another is no gap
city as (
    select {{ geometry_union('geometry_m') }} as geometry_m
    from widened
),

city_parts as (
    select {{ geometry_parts('geometry_m') }} as geometry_m
    from city
),

filled as (
    select {{ geometry_union(geometry_filled('geometry_m')) }} as geometry_m
    from city_parts
),

gap_parts as (
    select {{ geometry_parts(geometry_difference('filled.geometry_m', 'city.geometry_m')) }} as geometry_m
    from filled
    cross join city
),

gaps as (
    select
        {{ geometry_area(geometry_widened('geometry_m', half_width_m)) }} as gap_m2,
        {{ geometry_unprojected(geometry_label_point('geometry_m')) }} as place,
        {{ geometry_unprojected(geometry_widened('geometry_m', scoring('community_gap_width_m'))) }} as around
    from gap_parts
),

measured as (
    select
        {{ geometry_x('place') }} as lon,
        {{ geometry_y('place') }} as lat,
        gap_m2,
        around
    from gaps
    where gap_m2 >= {{ scoring('community_sliver_max') }} * (select min(area_m2) from communities)
),

with_neighbours as (
    select
        measured.lon,
        measured.lat,
        min(measured.gap_m2) as gap_m2,
        min(communities.community_id) as community_id,
        string_agg(communities.community_id, '|' order by communities.community_id) as neighbour_ids,
        min(communities.area_m2) as smallest_area_m2
    from measured
    inner join communities
        on {{ geometry_intersects('communities.geometry', 'measured.around') }}
    group by measured.lon, measured.lat
),

final as (
    select
        community_id,
        neighbour_ids,
        gap_m2,
        lon,
        lat
    from with_neighbours
    where gap_m2 >= {{ scoring('community_sliver_max') }} * smallest_area_m2
)

select * from final
