{#-
    A file of every earlier release that can be compared (var releases: a list of mappings with half_year, folder, …), as
    a subquery with the column half_year and the columns {name: type}: earlier_releases('tables/indicators', …). The
    name `ratios` is the release's own table of indicators, or the one that was computed again under today's
    definitions.
-#}
{% macro earlier_releases(file, columns) -%}
    {%- set files = [] -%}
    {%- for release in var('releases') if not release['reason'] -%}
        {%- set path = release['ratios'] if file == 'ratios' else release['folder'] ~ '/' ~ file ~ '.parquet' -%}
        {%- do files.append({'file': path, 'half_year': release['half_year']}) -%}
    {%- endfor -%}
    {{ return(_of_releases(files, columns, ['half_year'])) }}
{%- endmacro %}

{#-
    A table of every earlier release that was published under the definitions of today, as a subquery with the column half_year
    and the columns {name: type}, null where the table lacks one; no row of a release that has no such table.
-#}
{% macro earlier_release_tables(table, columns) -%}
    {%- set files = [] -%}
    {%- for release in var('releases') if not release['reason'] and release['is_recomputed'] != 'true' -%}
        {%- set path = release['folder'] ~ '/tables/' ~ table ~ '.parquet' -%}
        {%- if file_exists(path) -%}
            {%- do files.append({'file': path, 'half_year': release['half_year']}) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(_of_releases(files, columns, ['half_year'], may_lack_columns=true)) }}
{%- endmacro %}

{#- What is known of every earlier release itself (var releases), as a subquery. -#}
{% macro known_releases() -%}
    {%- set columns = {
        'half_year': 'varchar', 'version': 'integer', 'standard_version': 'varchar', 'period_end': 'timestamp',
        'is_recomputed': 'boolean', 'reason': 'varchar'
    } -%}
    (
        {%- for release in var('releases') %}
        select
            {%- for column, type in columns.items() %}
            cast({{ dbt.string_literal(release[column]) }} as {{ type }}) as {{ column }}{{ ',' if not loop.last }}
            {%- endfor %}
        {{ 'union all' if not loop.last }}
        {%- else %}
        select
            {%- for column, type in columns.items() %}
            cast(null as {{ type }}) as {{ column }}{{ ',' if not loop.last }}
            {%- endfor %}
        where false
        {%- endfor %}
    )
{%- endmacro %}

{% macro _of_releases(files, columns, labels=[], may_lack_columns=false) -%}
    (
        {%- for each in files %}
        select
            {%- for label in labels %}
            {{ dbt.string_literal(each[label]) }} as {{ label }},
            {%- endfor %}
            {%- for column, type in columns.items() %}
            cast({{ column }} as {{ type }}) as {{ column }}{{ ',' if not loop.last }}
            {%- endfor %}
        from {{ parquet_columns(each['file'], columns) if may_lack_columns else parquet_file(each['file']) }}
        {{ 'union all' if not loop.last }}
        {%- else %}
        select
            {%- for label in labels %}
            cast(null as varchar) as {{ label }},
            {%- endfor %}
            {%- for column, type in columns.items() %}
            cast(null as {{ type }}) as {{ column }}{{ ',' if not loop.last }}
            {%- endfor %}
        where false
        {%- endfor %}
    )
{%- endmacro %}
