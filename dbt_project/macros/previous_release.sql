{#-
    A table of the previous half-year's release (var previous_release, its folder), as a subquery with the columns
    {name: type}. Without a previous release the same columns, and no row; a column that it did not have yet is null.
-#}
{% macro previous_release_table(table, columns) -%}
    {{- _release_table(var('previous_release'), table, columns) -}}
{%- endmacro %}

{#-
    Likewise of the newest earlier release that tells of projects (var projects_before, its folder): a project lives on over a
    half-year without a release.
-#}
{% macro projects_before_table(table, columns) -%}
    {{- _release_table(var('projects_before', ''), table, columns) -}}
{%- endmacro %}

{% macro _release_table(folder, table, columns) -%}
    (
        select
            {%- for column, type in columns.items() %}
            cast({{ column if folder else 'null' }} as {{ type }}) as {{ column }}{{ ',' if not loop.last }}
            {%- endfor %}
        {%- if folder %}
        from {{ parquet_columns(folder ~ '/tables/' ~ table ~ '.parquet', columns) }}
        {%- else %}
        where false
        {%- endif %}
    )
{%- endmacro %}

{#- A parquet file as a relation that has the columns {name: type}: null where the file does not. -#}
{% macro parquet_columns(path, columns) -%}{{ return(adapter.dispatch('parquet_columns')(path, columns)) }}{%- endmacro %}
{% macro default__parquet_columns(path, columns) -%}{{ parquet_file(path) }}{%- endmacro %}
{% macro duckdb__parquet_columns(path, columns) -%}
    (
        select {% for column, type in columns.items() %}cast(null as {{ type }}) as {{ column }}{{ ', ' if not loop.last }}{% endfor %}
        where false
        union all by name
        select * from {{ parquet_file(path) }}
    ) as kept
{%- endmacro %}

{#- A parquet file as a relation. -#}
{% macro parquet_file(path) -%}{{ return(adapter.dispatch('parquet_file')(path)) }}{%- endmacro %}
{% macro default__parquet_file(path) -%}parquet.`{{ path }}`{%- endmacro %}
{% macro duckdb__parquet_file(path) -%}read_parquet('{{ path | replace("'", "''") }}'){%- endmacro %}
