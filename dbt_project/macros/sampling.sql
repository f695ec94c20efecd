{#-
    How sure a weighted sample is. Kish (1965): as many respondents of equal weight, (Σw)² / Σw², would tell as much. A
    sample of n of N without replacement errs less, by √((N − n) / (N − 1)); where N is not known it is taken as endless.
-#}
{% macro effective_size(weight, weight_squared) -%}
    round({{ weight }} * {{ weight }} / nullif({{ weight_squared }}, 0), 9)
{%- endmacro %}

{#-
    What the variance is multiplied with; null where fewer people are known than answered, which is an unreliable count.
-#}
{% macro finite_population(respondents, population) -%}
    case
        when {{ population }} is null then 1.0
        when {{ population }} < {{ respondents }} then null
        when {{ population }} = {{ respondents }} then 0.0
        else cast({{ population }} - {{ respondents }} as double) / ({{ population }} - 1)
    end
{%- endmacro %}

{#- Standard error of a share, 0 to 1. -#}
{% macro standard_error(share, effective, respondents, population) -%}
    sqrt({{ share }} * (1 - {{ share }}) / {{ effective }} * ({{ finite_population(respondents, population) }}))
{%- endmacro %}

{#-
    Lower (sign -1) or upper (sign 1) end of Wilson's interval of a share (1927), which stays within 0 to 1 and has a width
    also where all or none agree; `size` is the effective size over the finite population's factor.
-#}
{% macro wilson(share, size, sign) -%}
    case
        -- there the formula is 0 or 1, but for its last bit
        when {{ share }} = {{ 0 if sign < 0 else 1 }} then {{ '0.0' if sign < 0 else '1.0' }}
        else
            (
                {{ share }} + power({{ scoring('confidence_z') }}, 2) / (2 * {{ size }})
                + ({{ sign }}) * {{ scoring('confidence_z') }} * sqrt(
                    {{ share }} * (1 - {{ share }}) / {{ size }}
                    + power({{ scoring('confidence_z') }}, 2) / (4 * {{ size }} * {{ size }})
                )
            ) / (1 + power({{ scoring('confidence_z') }}, 2) / {{ size }})
    end
{%- endmacro %}

{#- Breaks of the survey that the city declares (var survey_breaks) as a relation. -#}
{% macro survey_breaks() -%}
    (
        {%- for break in var('survey_breaks') %}
        select
            {{ dbt.string_literal(break.half_year) }} as half_year,
            {{ dbt.string_literal(break.question) }} as question,
            {{ dbt.string_literal(break.kind) }} as kind,
            {{ dbt.string_literal(dbt.escape_single_quotes(break.note.zh)) }} as note_zh,
            {{ dbt.string_literal(dbt.escape_single_quotes(break.note.en)) }} as note_en
        union all
        {%- endfor %}
        select
            cast(null as varchar) as half_year,
            cast(null as varchar) as question,
            cast(null as varchar) as kind,
            cast(null as varchar) as note_zh,
            cast(null as varchar) as note_en
        where false
    )
{%- endmacro %}
