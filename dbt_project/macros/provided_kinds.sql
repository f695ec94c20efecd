{#- The kinds that the city's register of facilities covers, as a list for `in`; a list without kinds matches none. -#}
{% macro provided_kinds() -%}
    (''{% for kind_code in var('provided_kinds') %}, '{{ kind_code }}'{% endfor %})
{%- endmacro %}
