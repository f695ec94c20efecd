{#-
    A count of people as it is published: to the nearest multiple of the standard's disclosure_rounding_base, halves upwards.
    Of two counts the smaller stays the smaller, or becomes equal.
-#}
{% macro rounded_count(count) -%}
    cast(
        floor(({{ count }}) / {{ scoring('disclosure_rounding_base') }} + 0.5) * {{ scoring('disclosure_rounding_base') }}
        as bigint
    )
{%- endmacro %}

{#- An effective number of people as it is published: rounded down, so that it stays below the count that it is part of. -#}
{% macro rounded_down_count(count) -%}
    floor(({{ count }}) / {{ scoring('disclosure_rounding_base') }}) * {{ scoring('disclosure_rounding_base') }}
{%- endmacro %}

{#- A count that warns if it is not 0, as it is published: rounded up, so that it still does. -#}
{% macro rounded_up_count(count) -%}
    cast(
        ceil(({{ count }}) / {{ scoring('disclosure_rounding_base') }}) * {{ scoring('disclosure_rounding_base') }}
        as bigint
    )
{%- endmacro %}

{#-
    Whether a cell is kept back: the step `places` found it (stg_suppressed_cells), or it holds too few people. One word for
    both, as every mart is published: which cell is small would tell how many people are in it, and beside it.
-#}
{% macro suppression(found, people, parameter) -%}
    case
        when {{ found }} is not null or ({{ people }} > 0 and {{ people }} < {{ scoring(parameter) }}) then 'withheld'
    end
{%- endmacro %}

{#-
    A share in percent as it is published: that of the two rounded counts, which are published beside it, so that it tells
    nothing that these do not. The arguments are a count and the count that it is part of.
-#}
{% macro rounded_share_pct(part, whole) -%}
    round(100.0 * {{ rounded_count(part) }} / nullif({{ rounded_count(whole) }}, 0), 1)
{%- endmacro %}

{#- Group of the survey's tables (seed survey_characteristics) whose answers an indicator takes, from its `respondents`. -#}
{% macro answering_group(respondents) -%}
    case {{ respondents }} when 'aged_60_plus' then 'age_60_plus' when 'children_0_12' then 'child_yes' else 'all' end
{%- endmacro %}
