{#-
    Points from 0 to 100 of a value between its goalposts: 100 · clip((value − low) / (high − low), 0, 1), and with
    direction −1 the reverse, so that `low` scores 100. Null without a value (`least` and `greatest` would skip it).
-#}
{% macro goalpost_score(value, low, high, direction) -%}
    case
        when {{ value }} is null then null
        when {{ direction }} = 1 then 100 * least(greatest(({{ value }} - {{ low }}) / ({{ high }} - {{ low }}), 0), 1)
        else 100 * least(greatest(({{ high }} - {{ value }}) / ({{ high }} - {{ low }}), 0), 1)
    end
{%- endmacro %}
