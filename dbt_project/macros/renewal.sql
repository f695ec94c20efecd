{#- Of the code of a candidate that came of reports, <community>-<category>-<three digits>: what stands before the number. -#}
{% macro candidate_stem(candidate_id) -%}
    substring({{ candidate_id }}, 1, length({{ candidate_id }}) - 4)
{%- endmacro %}

{#- And the number. -#}
{% macro candidate_number(candidate_id) -%}
    cast(substring({{ candidate_id }}, length({{ candidate_id }}) - 2, 3) as integer)
{%- endmacro %}

{#- Weight of a part of the priority. The seed `renewal_priority` is the only place that holds the number. -#}
{% macro priority_weight(part_code) -%}
    (select weight from {{ ref('renewal_priority') }} where part_code = '{{ part_code }}')
{%- endmacro %}
