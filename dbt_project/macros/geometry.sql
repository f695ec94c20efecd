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
