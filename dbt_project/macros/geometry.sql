{#-
    Everything that needs a geometry engine. Longitude comes before latitude, in WGS84 degrees; lengths are metres and
    areas square metres in the projected system of the city (var projected_crs).
-#}

{% macro geometry_from_wkb(wkb) -%}{{ return(adapter.dispatch('geometry_from_wkb')(wkb)) }}{%- endmacro %}
{% macro default__geometry_from_wkb(wkb) -%}st_geomfromwkb({{ wkb }}){%- endmacro %}

{% macro geometry_point(lon, lat) -%}{{ return(adapter.dispatch('geometry_point')(lon, lat)) }}{%- endmacro %}
{% macro default__geometry_point(lon, lat) -%}st_point({{ lon }}, {{ lat }}){%- endmacro %}

{% macro geometry_projected(geometry) -%}{{ return(adapter.dispatch('geometry_projected')(geometry)) }}{%- endmacro %}
{% macro default__geometry_projected(geometry) -%}
    st_transform({{ geometry }}, 'EPSG:4326', '{{ var("projected_crs") }}')
{%- endmacro %}
{% macro duckdb__geometry_projected(geometry) -%}
    st_transform({{ geometry }}, 'EPSG:4326', '{{ var("projected_crs") }}', always_xy := true)
{%- endmacro %}

{#- True for a point inside the polygon or on its border. -#}
{% macro geometry_covers(polygon, point) -%}{{ return(adapter.dispatch('geometry_covers')(polygon, point)) }}{%- endmacro %}
{% macro default__geometry_covers(polygon, point) -%}st_intersects({{ polygon }}, {{ point }}){%- endmacro %}

{#- True for two polygons that have a point in common, if only on their borders. -#}
{% macro geometry_intersects(polygon, other) -%}
    {{ return(adapter.dispatch('geometry_intersects')(polygon, other)) }}
{%- endmacro %}
{% macro default__geometry_intersects(polygon, other) -%}st_intersects({{ polygon }}, {{ other }}){%- endmacro %}

{#- What two polygons have in common. -#}
{% macro geometry_intersection(polygon, other) -%}
    {{ return(adapter.dispatch('geometry_intersection')(polygon, other)) }}
{%- endmacro %}
{% macro default__geometry_intersection(polygon, other) -%}st_intersection({{ polygon }}, {{ other }}){%- endmacro %}

{#- The geometry as bytes: two that were drawn point by point the same are equal. -#}
{% macro geometry_wkb(geometry) -%}{{ return(adapter.dispatch('geometry_wkb')(geometry)) }}{%- endmacro %}
{% macro default__geometry_wkb(geometry) -%}st_aswkb({{ geometry }}){%- endmacro %}

{% macro geometry_area(projected) -%}{{ return(adapter.dispatch('geometry_area')(projected)) }}{%- endmacro %}
{% macro default__geometry_area(projected) -%}st_area({{ projected }}){%- endmacro %}

{% macro geometry_x(point) -%}{{ return(adapter.dispatch('geometry_x')(point)) }}{%- endmacro %}
{% macro default__geometry_x(point) -%}st_x({{ point }}){%- endmacro %}

{% macro geometry_y(point) -%}{{ return(adapter.dispatch('geometry_y')(point)) }}{%- endmacro %}
{% macro default__geometry_y(point) -%}st_y({{ point }}){%- endmacro %}

{% macro geometry_centroid(geometry) -%}{{ return(adapter.dispatch('geometry_centroid')(geometry)) }}{%- endmacro %}
{% macro default__geometry_centroid(geometry) -%}st_centroid({{ geometry }}){%- endmacro %}

{#- From the projected system of the city back to longitude and latitude. -#}
{% macro geometry_unprojected(projected) -%}{{ return(adapter.dispatch('geometry_unprojected')(projected)) }}{%- endmacro %}
{% macro default__geometry_unprojected(projected) -%}
    st_transform({{ projected }}, '{{ var("projected_crs") }}', 'EPSG:4326')
{%- endmacro %}
{% macro duckdb__geometry_unprojected(projected) -%}
    st_transform({{ projected }}, '{{ var("projected_crs") }}', 'EPSG:4326', always_xy := true)
{%- endmacro %}

{#- The circle around a point as a polygon of 64 corners on it: inside the circle, and 0.16 % smaller. -#}
{% macro geometry_buffer(projected, radius_m) -%}
    {{ return(adapter.dispatch('geometry_buffer')(projected, radius_m)) }}
{%- endmacro %}
{% macro default__geometry_buffer(projected, radius_m) -%}
    st_buffer({{ projected }}, {{ radius_m }}, false, 'quad_segs=16')
{%- endmacro %}
{% macro duckdb__geometry_buffer(projected, radius_m) -%}st_buffer({{ projected }}, {{ radius_m }}, 16){%- endmacro %}

{#- A polygon with what lies within a distance of it; corners are rounded by few points. -#}
{% macro geometry_widened(projected, distance_m) -%}
    {{ return(adapter.dispatch('geometry_widened')(projected, distance_m)) }}
{%- endmacro %}
{% macro default__geometry_widened(projected, distance_m) -%}
    st_buffer({{ projected }}, {{ distance_m }}, false, 'quad_segs=2')
{%- endmacro %}
{% macro duckdb__geometry_widened(projected, distance_m) -%}st_buffer({{ projected }}, {{ distance_m }}, 2){%- endmacro %}

{#- Aggregate: what polygons cover together. -#}
{% macro geometry_union(polygon) -%}{{ return(adapter.dispatch('geometry_union')(polygon)) }}{%- endmacro %}
{% macro default__geometry_union(polygon) -%}st_union_aggr({{ polygon }}){%- endmacro %}
{% macro duckdb__geometry_union(polygon) -%}st_union_agg({{ polygon }}){%- endmacro %}

{#- What the first polygon covers and the other does not. -#}
{% macro geometry_difference(polygon, other) -%}
    {{ return(adapter.dispatch('geometry_difference')(polygon, other)) }}
{%- endmacro %}
{% macro default__geometry_difference(polygon, other) -%}st_difference({{ polygon }}, {{ other }}){%- endmacro %}

{#- A polygon without its holes. -#}
{% macro geometry_filled(polygon) -%}{{ return(adapter.dispatch('geometry_filled')(polygon)) }}{%- endmacro %}
{% macro default__geometry_filled(polygon) -%}st_makepolygon(st_exteriorring({{ polygon }})){%- endmacro %}

{#- One row for each polygon of a multipolygon; stands alone in a select list. -#}
{% macro geometry_parts(geometry) -%}{{ return(adapter.dispatch('geometry_parts')(geometry)) }}{%- endmacro %}
{% macro default__geometry_parts(geometry) -%}explode(st_dump({{ geometry }})){%- endmacro %}
{% macro duckdb__geometry_parts(geometry) -%}(unnest(st_dump({{ geometry }}))).geom{%- endmacro %}

{#- A point that lies in the polygon, for a label. -#}
{% macro geometry_label_point(polygon) -%}{{ return(adapter.dispatch('geometry_label_point')(polygon)) }}{%- endmacro %}
{% macro default__geometry_label_point(polygon) -%}st_pointonsurface({{ polygon }}){%- endmacro %}

{#- First and last point of a line. -#}
{% macro geometry_start(line) -%}{{ return(adapter.dispatch('geometry_start')(line)) }}{%- endmacro %}
{% macro default__geometry_start(line) -%}st_startpoint({{ line }}){%- endmacro %}
{% macro geometry_end(line) -%}{{ return(adapter.dispatch('geometry_end')(line)) }}{%- endmacro %}
{% macro default__geometry_end(line) -%}st_endpoint({{ line }}){%- endmacro %}

{% macro geometry_length(projected) -%}{{ return(adapter.dispatch('geometry_length')(projected)) }}{%- endmacro %}
{% macro default__geometry_length(projected) -%}st_length({{ projected }}){%- endmacro %}

{% macro geometry_distance(projected, other) -%}
    {{ return(adapter.dispatch('geometry_distance')(projected, other)) }}
{%- endmacro %}
{% macro default__geometry_distance(projected, other) -%}st_distance({{ projected }}, {{ other }}){%- endmacro %}

{#- The box around a geometry. -#}
{% macro geometry_x_min(geometry) -%}{{ return(adapter.dispatch('geometry_x_min')(geometry)) }}{%- endmacro %}
{% macro default__geometry_x_min(geometry) -%}st_xmin({{ geometry }}){%- endmacro %}
{% macro geometry_y_min(geometry) -%}{{ return(adapter.dispatch('geometry_y_min')(geometry)) }}{%- endmacro %}
{% macro default__geometry_y_min(geometry) -%}st_ymin({{ geometry }}){%- endmacro %}
{% macro geometry_x_max(geometry) -%}{{ return(adapter.dispatch('geometry_x_max')(geometry)) }}{%- endmacro %}
{% macro default__geometry_x_max(geometry) -%}st_xmax({{ geometry }}){%- endmacro %}
{% macro geometry_y_max(geometry) -%}{{ return(adapter.dispatch('geometry_y_max')(geometry)) }}{%- endmacro %}
{% macro default__geometry_y_max(geometry) -%}st_ymax({{ geometry }}){%- endmacro %}

{#- A code for a place: longitude and latitude with seven decimals, about a centimetre. -#}
{% macro place_code(lon, lat) -%}
    concat(cast(cast({{ lon }} as decimal(10, 7)) as varchar), ' ', cast(cast({{ lat }} as decimal(10, 7)) as varchar))
{%- endmacro %}

{#- The cell of a square grid that a planar coordinate falls in. -#}
{% macro grid_cell(coordinate_m, cell_size_m) -%}
    cast(floor({{ coordinate_m }} / ({{ cell_size_m }})) as bigint)
{%- endmacro %}
