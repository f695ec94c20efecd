{#-
    Turns columns into rows: `keys` are kept, each of `columns` becomes a row with its name in name_to and its value in
    value_to. Nulls give no row.
-#}
{% macro unpivot(relation, keys, columns, name_to, value_to) -%}
    {{ return(adapter.dispatch('unpivot')(relation, keys, columns, name_to, value_to)) }}
{%- endmacro %}

{% macro default__unpivot(relation, keys, columns, name_to, value_to) -%}
    {%- for column in columns %}
    select {{ keys | join(', ') }}, '{{ column }}' as {{ name_to }}, {{ column }} as {{ value_to }}
    from {{ relation }}
    where {{ column }} is not null
    {{ 'union all' if not loop.last }}
    {%- endfor %}
{%- endmacro %}

{% macro duckdb__unpivot(relation, keys, columns, name_to, value_to) -%}
    select {{ keys | join(', ') }}, {{ name_to }}, {{ value_to }}
    from {{ relation }}
    unpivot ({{ value_to }} for {{ name_to }} in ({{ columns | join(', ') }}))
{%- endmacro %}
