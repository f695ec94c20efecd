{#- Hours from one timestamp to a later one, with fractions: exactly 24 after exactly a day. -#}
{% macro hours_between(earlier, later) -%}{{ return(adapter.dispatch('hours_between')(earlier, later)) }}{%- endmacro %}
{% macro default__hours_between(earlier, later) -%}
    ((unix_micros({{ later }}) - unix_micros({{ earlier }})) / 3600000000.0)
{%- endmacro %}
{% macro duckdb__hours_between(earlier, later) -%}
    ((epoch_us({{ later }}) - epoch_us({{ earlier }})) / 3600000000.0)
{%- endmacro %}

{#- A timestamp moved by a number of hours. -#}
{% macro plus_hours(moment, hours) -%}{{ return(adapter.dispatch('plus_hours')(moment, hours)) }}{%- endmacro %}
{% macro default__plus_hours(moment, hours) -%}
    ({{ moment }} + make_interval(0, 0, 0, 0, cast({{ hours }} as int), 0, 0))
{%- endmacro %}
{% macro duckdb__plus_hours(moment, hours) -%}
    ({{ moment }} + to_hours(cast({{ hours }} as integer)))
{%- endmacro %}

{#- A bound of the half-year or the cut-off, UTC: utc_var('cut_off'). -#}
{% macro utc_var(name) -%}cast('{{ var(name) }}' as timestamp){%- endmacro %}
