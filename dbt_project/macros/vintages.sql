{#-
    What is known of every version published before the candidate (var vintages: half_year, version, folder, kind, stage,
    and is_withdrawn where it is), as a subquery.
-#}
{% macro known_vintages() -%}
    {{ return(_of_vintages(var('vintages'), {})) }}
{%- endmacro %}

{#-
    A table of every version published before, as a subquery of what is known of the version and the columns {name: type},
    null where the file lacks one; no row of a version without that table. Of index_vintages every version gives its own
    values; `without` leaves out the versions that have that other table.
-#}
{% macro vintage_tables(table, columns, without=none) -%}
    {%- set found = [] -%}
    {%- for vintage in var('vintages') -%}
        {%- set tables = vintage['folder'] ~ '/tables/' -%}
        {%- set file = tables ~ table ~ '.parquet' -%}
        {%- if file_exists(file) and not (without and file_exists(tables ~ without ~ '.parquet')) -%}
            {%- do found.append(dict(vintage, file=file, holds_others=table == 'index_vintages')) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(_of_vintages(found, columns)) }}
{%- endmacro %}

{% macro _of_vintages(vintages, columns) -%}
    {%- set about = {
        'half_year': 'varchar', 'version': 'integer', 'release_kind': 'varchar', 'release_stage': 'varchar',
        'is_withdrawn': 'boolean'
    } -%}
    (
        {%- for vintage in vintages %}
        select
            {{ dbt.string_literal(vintage['half_year']) }} as half_year,
            cast({{ vintage['version'] }} as integer) as version,
            {{ dbt.string_literal(vintage['kind']) }} as release_kind,
            {{ dbt.string_literal(vintage['stage']) }} as release_stage,
            {{ 'true' if vintage['is_withdrawn'] else 'false' }} as is_withdrawn
            {%- for column, type in columns.items() %},
            cast(published.{{ column }} as {{ type }}) as {{ column }}
            {%- endfor %}
        {%- if columns %}
        from (select * from {{ parquet_columns(vintage['file'], columns) }}) as published
        {%- endif %}
        {%- if vintage['holds_others'] %}
        where published.half_year = {{ dbt.string_literal(vintage['half_year']) }}
            and published.version = {{ vintage['version'] }}
        {%- endif %}
        union all
        {%- endfor %}
        select
            {%- for column, type in dict(about, **columns).items() %}
            cast(null as {{ type }}) as {{ column }}{{ ',' if not loop.last }}
            {%- endfor %}
        where false
    )
{%- endmacro %}

{#- A table of the release that drift is measured against (var compared_release): no row where there is none. -#}
{% macro compared_table(table, columns) -%}
    {%- set file = var('compared_release') ~ '/tables/' ~ table ~ '.parquet' -%}
    {%- set is_there = var('compared_release') != '' and file_exists(file) -%}
    (
        select
            {%- for column, type in columns.items() %}
            cast({{ column if is_there else 'null' }} as {{ type }}) as {{ column }}{{ ',' if not loop.last }}
            {%- endfor %}
        {%- if is_there %}
        from {{ parquet_columns(file, columns) }}
        {%- else %}
        where false
        {%- endif %}
    )
{%- endmacro %}

{#- How many rows the compared release has in a table: null where it has no such table. -#}
{% macro compared_rows(table) -%}
    {%- set file = var('compared_release') ~ '/tables/' ~ table ~ '.parquet' -%}
    {%- if var('compared_release') != '' and file_exists(file) -%}
    (select count(*) from {{ parquet_file(file) }})
    {%- else -%}
    null
    {%- endif -%}
{%- endmacro %}

{#- Whether there is a file, known when the model is compiled. -#}
{% macro file_exists(path) -%}{{ return(adapter.dispatch('file_exists')(path)) }}{%- endmacro %}
{% macro default__file_exists(path) -%}{{ return(true) }}{%- endmacro %}
{% macro duckdb__file_exists(path) -%}
    {%- if not execute -%}{{ return(true) }}{%- endif -%}
    {%- set found = run_query("select count(*) from glob('" ~ path | replace("'", "''") ~ "')") -%}
    {{ return(found.columns[0][0] > 0) }}
{%- endmacro %}
