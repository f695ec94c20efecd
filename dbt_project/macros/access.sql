{#- What `covered` means, everywhere: the facility is at most the radius away; a point exactly on the circle counts. -#}
{% macro is_within(distance_m, radius_m) -%}
    coalesce({{ distance_m }} <= {{ radius_m }}, false)
{%- endmacro %}

{#- The cell of the search grid that a planar coordinate falls in. -#}
{% macro grid_cell(coordinate_m, cell_size_m) -%}
    cast(floor({{ coordinate_m }} / {{ cell_size_m }}) as bigint)
{%- endmacro %}

{#- Aggregate: the nearest facility as (distance_m, facility_id); of several equally near ones the lowest id. -#}
{% macro nearest(distance_m, facility_id, where) -%}
    {{ return(adapter.dispatch('nearest')(distance_m, facility_id, where)) }}
{%- endmacro %}
{% macro default__nearest(distance_m, facility_id, where) -%}
    min(case when {{ where }} then named_struct('distance_m', {{ distance_m }}, 'facility_id', {{ facility_id }}) end)
{%- endmacro %}
{% macro duckdb__nearest(distance_m, facility_id, where) -%}
    min(case when {{ where }} then struct_pack(distance_m := {{ distance_m }}, facility_id := {{ facility_id }}) end)
{%- endmacro %}
