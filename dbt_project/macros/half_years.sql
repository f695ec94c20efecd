{#- The number of a half-year such as '2026H1': one more for each that follows. -#}
{% macro half_year_number(half_year) -%}
    (2 * cast(substring({{ half_year }}, 1, 4) as integer) + cast(substring({{ half_year }}, 6, 1) as integer))
{%- endmacro %}

{#- The half-year of such a number. -#}
{% macro half_year_of_number(number) -%}
    {%- set year = 'cast(floor((' ~ number ~ ' - 1) / 2.0) as integer)' -%}
    concat({{ year }}, 'H', {{ number }} - 2 * {{ year }})
{%- endmacro %}
