{#- The value below which a share of the rows lies, interpolated: percentile('hours', 0.9). Nulls are left out. -#}
{% macro percentile(value, share) -%}{{ return(adapter.dispatch('percentile')(value, share)) }}{%- endmacro %}
{% macro default__percentile(value, share) -%}percentile({{ value }}, {{ share }}){%- endmacro %}
{% macro duckdb__percentile(value, share) -%}quantile_cont({{ value }}, {{ share }}){%- endmacro %}

{% macro median(value) -%}{{ percentile(value, 0.5) }}{%- endmacro %}

{#- Number of rows for which the condition is true; a null condition does not count. -#}
{% macro count_where(condition) -%}sum(case when {{ condition }} then 1 else 0 end){%- endmacro %}
