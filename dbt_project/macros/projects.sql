{#- What a release tells of a project, and the next one reads: the columns {name: type} of the mart `projects`. -#}
{% macro project_columns() -%}
    {{ return(dict(dict({
        'project_id': 'varchar', 'candidate_id': 'varchar', 'origin_code': 'varchar', 'project_name_zh': 'varchar',
        'project_name_en': 'varchar', 'community_id': 'varchar', 'community_name': 'varchar', 'street_id': 'varchar',
        'street_name': 'varchar', 'county_id': 'varchar', 'county_name': 'varchar', 'kind_code': 'varchar',
        'category_code': 'varchar', 'status_code': 'varchar', 'pool_code': 'varchar', 'pool_basis': 'varchar',
        'opened_half_year': 'varchar', 'site_basis': 'varchar', 'cost_basis': 'varchar', 'department': 'varchar',
        'planned_start_on': 'date', 'planned_end_on': 'date', 'started_on': 'date', 'delivered_on': 'date',
        'evidence': 'varchar', 'last_edited_at': 'timestamp', 'cost_cny': 'double'
    }, **candidate_columns()), **sited_columns())) }}
{%- endmacro %}

{#- What a project has from its candidate for as long as there is one, and keeps from the last one after that. -#}
{% macro candidate_columns() -%}
    {{ return({
        'reason_code': 'varchar', 'action_code': 'varchar', 'means_code': 'varchar', 'scale_code': 'varchar',
        'first_seen_half_year': 'varchar', 'last_seen_half_year': 'varchar', 'priority_score': 'double',
        'priority_uncovered': 'double', 'priority_size_gap': 'double', 'priority_need': 'double',
        'priority_reports': 'double', 'target_group': 'varchar', 'target_population': 'bigint',
        'uncovered_population': 'bigint', 'uncovered_elder_population': 'bigint',
        'uncovered_child_population': 'bigint', 'area_gap_m2': 'double', 'capacity_gap': 'double',
        'capacity_unit': 'varchar', 'reports': 'bigint', 'size_m2': 'double'
    }) }}
{%- endmacro %}

{#- What the step `renewal` finds for a project that is not built yet; afterwards it stays as it was. -#}
{% macro sited_columns() -%}
    {{ return({
        'site_id': 'varchar', 'site_type': 'varchar', 'site_lon': 'double', 'site_lat': 'double',
        'predicted_covered_population': 'bigint', 'predicted_covered_in_community': 'bigint',
        'predicted_community_points': 'double', 'predicted_county_points': 'double', 'predicted_city_points': 'double'
    }) }}
{%- endmacro %}

{#- The fields that departments set, as the mart `projects` calls them: {name: type}. -#}
{% macro decided_columns() -%}
    {{ return({
        'status_code': 'varchar', 'pool_code': 'varchar', 'department': 'varchar', 'planned_start_on': 'date',
        'planned_end_on': 'date', 'started_on': 'date', 'delivered_on': 'date', 'cost_cny': 'double',
        'evidence': 'varchar', 'project_name_zh': 'varchar', 'project_name_en': 'varchar', 'site_id': 'varchar'
    }) }}
{%- endmacro %}

{#- Whether a project goes on. -#}
{% macro is_open_status(status) -%}
    {{ status }} in ('proposed', 'reserve', 'annual', 'under_way', 'delivered')
{%- endmacro %}

{#- A limit of the seed renewal_limits, e.g. renewal_limit('stalled_days'). -#}
{% macro renewal_limit(limit) -%}
    (select value from {{ ref('renewal_limits') }} where limit_code = '{{ limit }}')
{%- endmacro %}

{#- The table `projects` of every earlier release that has it (var releases), as a subquery with half_year and the columns. -#}
{% macro released_projects(columns) -%}
    {%- set files = [] -%}
    {%- for release in var('releases') -%}
        {%- set path = release['folder'] ~ '/tables/projects.parquet' -%}
        {%- if file_exists(path) -%}
            {%- do files.append({'file': path, 'half_year': release['half_year']}) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(_of_releases(files, columns, ['half_year'], may_lack_columns=true)) }}
{%- endmacro %}
