{#- A constant of the standard, e.g. scoring('survey_n_min'). The seed `scoring` is the only place that holds the number. -#}
{% macro scoring(parameter) -%}
    (select value from {{ ref('scoring') }} where parameter = '{{ parameter }}')
{%- endmacro %}
