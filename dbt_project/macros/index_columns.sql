{#- The dimensions as columns of the wide marts, in the order of the standard (tests/score_columns_match_the_standard.sql).
    A list, since the columns of a query must be known before it runs. -#}
{% macro score_columns() -%}
    {{ return({
        'GOV': 'score_gov', 'EDU': 'score_edu', 'ELD': 'score_eld', 'HLT': 'score_hlt',
        'CUL': 'score_cul', 'COM': 'score_com', 'SPT': 'score_spt', 'CNV': 'score_cnv'
    }) }}
{%- endmacro %}
