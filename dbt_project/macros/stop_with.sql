{#- Ends the query with a message, so that it stands in the log: stop_with('message'). -#}
{% macro stop_with(message) -%}{{ return(adapter.dispatch('stop_with')(message)) }}{%- endmacro %}
{% macro default__stop_with(message) -%}raise_error({{ message }}){%- endmacro %}
{% macro duckdb__stop_with(message) -%}error({{ message }}){%- endmacro %}
