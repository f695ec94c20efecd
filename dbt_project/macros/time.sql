{#- Hours from one timestamp to a later one, with fractions: exactly 24 after exactly a day. -#}
{% macro hours_between(earlier, later) -%}{{ return(adapter.dispatch('hours_between')(earlier, later)) }}{%- endmacro %}
{% macro default__hours_between(earlier, later) -%}
    ((unix_micros({{ later }}) - unix_micros({{ earlier }})) / 3600000000.0)
{%- endmacro %}
{% macro duckdb__hours_between(earlier, later) -%}
    ((epoch_us({{ later }}) - epoch_us({{ earlier }})) / 3600000000.0)
{%- endmacro %}

{#- A bound of the half-year or the cut-off, UTC: utc_var('cut_off'). -#}
{% macro utc_var(name) -%}cast('{{ var(name) }}' as timestamp){%- endmacro %}

{#- A moment of the lake (UTC) as the city's clocks show it. -#}
{% macro local_time(moment) -%}{{ return(adapter.dispatch('local_time')(moment)) }}{%- endmacro %}
{% macro default__local_time(moment) -%}from_utc_timestamp({{ moment }}, '{{ var('time_zone') }}'){%- endmacro %}
{% macro duckdb__local_time(moment) -%}
    timezone('{{ var('time_zone') }}', timezone('UTC', {{ moment }}))
{%- endmacro %}

{#- What the city's clocks show, as a moment of the lake (UTC). -#}
{% macro utc_time(local) -%}{{ return(adapter.dispatch('utc_time')(local)) }}{%- endmacro %}
{% macro default__utc_time(local) -%}to_utc_timestamp({{ local }}, '{{ var('time_zone') }}'){%- endmacro %}
{% macro duckdb__utc_time(local) -%}
    timezone('UTC', timezone('{{ var('time_zone') }}', cast({{ local }} as timestamp)))
{%- endmacro %}

{#- Hours since midnight of a local time, with fractions. -#}
{% macro hour_of_day(local) -%}
    {{ hours_between('cast(cast(' ~ local ~ ' as date) as timestamp)', local) }}
{%- endmacro %}

{#- Monday is 1, Sunday is 7. -#}
{% macro iso_weekday(day) -%}{{ return(adapter.dispatch('iso_weekday')(day)) }}{%- endmacro %}
{% macro default__iso_weekday(day) -%}(weekday({{ day }}) + 1){%- endmacro %}
{% macro duckdb__iso_weekday(day) -%}isodow({{ day }}){%- endmacro %}

{#- A query of every date from one to another, both included, in the column `day`. -#}
{% macro days_between(first, last) -%}{{ return(adapter.dispatch('days_between')(first, last)) }}{%- endmacro %}
{% macro default__days_between(first, last) -%}
    select explode(sequence({{ first }}, {{ last }}, interval 1 day)) as day
{%- endmacro %}
{% macro duckdb__days_between(first, last) -%}
    select cast(moment as date) as day
    from (select unnest(generate_series({{ first }}, {{ last }}, interval 1 day)) as moment) as moments
{%- endmacro %}
