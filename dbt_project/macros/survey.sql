{#- The survey's columns answered on a scale of 1 to 5: the question codes of the seed survey_questions, in its order
    (tests/survey_columns_match_the_standard.sql). A list, since the columns of a query must be known before it runs. -#}
{% macro rating_columns() -%}
    {%- set columns = [] -%}
    {%- for dimension in ['gov', 'edu', 'eld', 'hlt', 'cul', 'com', 'spt', 'cnv'] -%}
        {%- do columns.append('satisfaction_' ~ dimension) -%}
    {%- endfor -%}
    {%- for kind in range(1, 21) -%}
        {%- do columns.append('satisfaction_f%02d' | format(kind)) -%}
    {%- endfor -%}
    {%- for need in range(1, 31) -%}
        {%- do columns.append('importance_n%02d' | format(need)) -%}
    {%- endfor -%}
    {{- return(columns + ['report_ease', 'report_speed', 'report_result']) -}}
{%- endmacro %}
