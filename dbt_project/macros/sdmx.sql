{#-
    What a published value is, as one code of SDMX's CL_OBS_STATUS (seed obs_statuses). SDMX ranks the codes for values that
    have one: of a missing value Q where it was kept back, else why it is missing (`missing_code`, O without a reason); of a
    value B, E, P, U, A, the first that applies. A break is told of values only: a missing one says why it is missing. The
    arguments are SQL, a column or condition each; null counts as no. Every value of the preliminary stage is provisional.
-#}
{% macro obs_status(
    value, suppression='null', is_estimated='false', is_break='false', is_low_reliability='false', missing_code="'O'",
    is_provisional=none
) -%}
    {%- set is_provisional = is_provisional or ('true' if var('release_stage') == 'preliminary' else 'false') -%}
    case
        when {{ value }} is null and {{ suppression }} is not null then 'Q'
        when {{ value }} is null then coalesce({{ missing_code }}, 'O')
        {%- if is_break != 'false' %}
        when {{ is_break }} then 'B'
        {%- endif %}
        {%- if is_estimated != 'false' %}
        when {{ is_estimated }} then 'E'
        {%- endif %}
        {%- if is_provisional != 'false' %}
        when {{ is_provisional }} then 'P'
        {%- endif %}
        {%- if is_low_reliability != 'false' %}
        when {{ is_low_reliability }} then 'U'
        {%- endif %}
        else 'A'
    end
{%- endmacro %}

{#-
    Whether a value is kept back, as a code of SDMX's CL_CONF_STATUS (seed conf_statuses): F free, C confidential. SDMX also
    has A (small count) and D (protects another), which would tell the two apart. The argument is SQL: null where it is free.
-#}
{% macro conf_status(suppression='null') -%}
    {%- if suppression == 'null' -%}
    'F'
    {%- else -%}
    case when {{ suppression }} is null then 'F' else 'C' end
    {%- endif -%}
{%- endmacro %}
