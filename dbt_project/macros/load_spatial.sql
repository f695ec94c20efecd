{#- Makes the engine's geometry functions available; from a file, never from the network. -#}
{% macro load_spatial() -%}{{ return(adapter.dispatch('load_spatial')()) }}{%- endmacro %}
{% macro default__load_spatial() -%}{%- endmacro %}
{% macro duckdb__load_spatial() -%}load '{{ var("spatial_extension") }}'{%- endmacro %}
