{#-
    Sum of numbers with fractions that does not depend on the order of the rows: floating-point addition does, and two
    builds from the same rows must agree to the last bit. Keeps 12 decimals; null without a row that is not null. `over` is the
    window, where it is a sum over one.
-#}
{% macro exact_sum(number, over='') -%}
    cast(sum(cast({{ number }} as decimal(38, 12))){{ ' ' ~ over if over }} as double)
{%- endmacro %}

{#- Whether part / whole is at least a share of the seed `scoring`, exact at the boundary; true for 0 of 0. -#}
{% macro reaches_share(part, whole, parameter) -%}
    {{ reaches(part, scoring(parameter), whole) }}
{%- endmacro %}

{#- Whether part is at least a share of whole, likewise. -#}
{% macro reaches(part, share, whole) -%}
    cast({{ part }} as decimal(20, 6)) >= cast({{ share }} as decimal(9, 6)) * cast({{ whole }} as decimal(20, 6))
{%- endmacro %}
