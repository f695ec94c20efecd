{#- What each published table is measured as (seed release_drift_limits): what there is by design, what is found, history. -#}
{%- set tables = {
    'county_index': 'rows',
    'street_index': 'rows',
    'community_index': 'rows',
    'index_scores': 'rows',
    'facilities': 'rows',
    'areas': 'rows',
    'indicators': 'rows',
    'indicator_definitions': 'rows',
    'indicator_contributions': 'rows',
    'dimension_scores': 'rows',
    'kind_access': 'rows',
    'detour_penalty': 'rows',
    'index_uncertainty': 'found_rows',
    'index_comparisons': 'found_rows',
    'index_sensitivities': 'found_rows',
    'indicator_removals': 'found_rows',
    'indicator_correlations': 'found_rows',
    'index_changes': 'found_rows',
    'index_change_causes': 'found_rows',
    'shortfalls': 'found_rows',
    'project_effects': 'found_rows',
    'programme_frontier': 'found_rows',
    'programme_projects': 'found_rows',
    'projects': 'found_rows',
    'project_log': 'found_rows',
    'project_evaluations': 'found_rows',
    'pool_flows': 'found_rows',
    'strategy_review': 'found_rows',
    'spatial_findings': 'found_rows',
    'repair_statistics': 'found_rows',
    'repair_hot_spots': 'found_rows',
    'survey_satisfaction': 'found_rows',
    'survey_needs': 'found_rows',
    'survey_portrait': 'found_rows',
    'survey_response': 'found_rows',
    'community_insights': 'found_rows',
    'data_gaps': 'found_rows',
    'row_ledger': 'found_rows',
    'quarantine_summary': 'found_rows',
    'index_series': 'history_rows',
    'goal_progress': 'history_rows',
    'index_vintages': 'history_rows',
} -%}
{%- set city = dbt.string_literal(dbt.escape_single_quotes(var('city'))) -%}

with

index_scores as (
    select * from {{ ref('index_scores') }}
    where area_level in ('county', 'city')
),

dimension_scores as (
    select * from {{ ref('dimension_scores') }}
    where area_level in ('county', 'city')
),

indicators as (
    select * from {{ ref('indicator_values') }}
    where area_level in ('county', 'city')
),

shortfalls as (
    select * from {{ ref('shortfalls') }}
),

row_ledger as (
    select * from {{ ref('row_ledger') }}
),

compared_index_scores as (
    select * from {{ compared_table('index_scores', {
        'area_level': 'varchar', 'area_id': 'varchar', 'index_score': 'double'
    }) }} as index_scores
    where area_level in ('county', 'city')
),

compared_dimension_scores as (
    select * from {{ compared_table('dimension_scores', {
        'area_level': 'varchar', 'area_id': 'varchar', 'dimension_code': 'varchar', 'score': 'double'
    }) }} as dimension_scores
    where area_level in ('county', 'city')
),

compared_indicators as (
    select * from {{ compared_table('indicators', {
        'area_level': 'varchar', 'area_id': 'varchar', 'indicator_code': 'varchar', 'value': 'double'
    }) }} as indicators
    where area_level in ('county', 'city')
),

compared_shortfalls as (
    select * from {{ compared_table('shortfalls', {'county_id': 'varchar'}) }} as shortfalls
),

compared_row_ledger as (
    select * from {{ compared_table('row_ledger', {
        'table_name': 'varchar', 'rows_in': 'bigint', 'rows_quarantined': 'bigint'
    }) }} as row_ledger
),

row_counts as (
    {%- for table, measure_type in tables.items() %}
    select
        '{{ measure_type }}' as measure_type,
        'city' as area_level,
        {{ city }} as area_id,
        '{{ table }}' as subject_code,
        {{ compared_rows(table) }} as value_before,
        (select count(*) from {{ ref('indicator_values' if table == 'indicators' else table) }}) as value_now
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

city_shortfalls as (
    select
        'shortfalls' as measure_type,
        'city' as area_level,
        {{ city }} as area_id,
        'shortfalls' as subject_code,
        {{ compared_rows('shortfalls') }} as value_before,
        (select count(*) from shortfalls) as value_now
),

-- a county without shortfalls has none of them, which is a number
county_shortfalls as (
    select index_scores.area_id, null as value_before, count(shortfalls.county_id) as value_now
    from index_scores
    left join shortfalls
        on shortfalls.county_id = index_scores.area_id
    where index_scores.area_level = 'county'
    group by index_scores.area_id
    union all
    select compared_index_scores.area_id, count(compared_shortfalls.county_id) as value_before, null as value_now
    from compared_index_scores
    left join compared_shortfalls
        on compared_shortfalls.county_id = compared_index_scores.area_id
    where compared_index_scores.area_level = 'county'
    group by compared_index_scores.area_id
),

quarantine_shares as (
    select
        table_name,
        null as value_before,
        100.0 * sum(rows_quarantined) / nullif(sum(rows_in), 0) as value_now
    from row_ledger
    group by table_name
    union all
    select
        table_name,
        100.0 * sum(rows_quarantined) / nullif(sum(rows_in), 0) as value_before,
        null as value_now
    from compared_row_ledger
    group by table_name
),

measured as (
    select
        measure_type, area_level, area_id, subject_code,
        value_before, value_now
    from row_counts
    union all
    select
        measure_type, area_level, area_id, subject_code,
        value_before, value_now
    from city_shortfalls
    union all
    select
        'county_shortfalls' as measure_type, 'county' as area_level, area_id, 'shortfalls' as subject_code,
        value_before, value_now
    from county_shortfalls
    union all
    select
        'quarantine_share' as measure_type, 'city' as area_level, {{ city }} as area_id, table_name as subject_code,
        value_before, value_now
    from quarantine_shares
    union all
    select
        'index' as measure_type, area_level, area_id, 'index' as subject_code,
        null as value_before, index_score as value_now
    from index_scores
    union all
    select
        'index' as measure_type, area_level, area_id, 'index' as subject_code,
        index_score as value_before, null as value_now
    from compared_index_scores
    union all
    select
        'dimension' as measure_type, area_level, area_id, dimension_code as subject_code,
        null as value_before, score as value_now
    from dimension_scores
    union all
    select
        'dimension' as measure_type, area_level, area_id, dimension_code as subject_code,
        score as value_before, null as value_now
    from compared_dimension_scores
    union all
    select
        'indicator' as measure_type, area_level, area_id, indicator_code as subject_code,
        null as value_before, value as value_now
    from indicators
    union all
    select
        'indicator' as measure_type, area_level, area_id, indicator_code as subject_code,
        value as value_before, null as value_now
    from compared_indicators
),

final as (
    select
        measure_type,
        area_level,
        area_id,
        subject_code,
        cast(max(value_before) as double) as value_before,
        cast(max(value_now) as double) as value_now
    from measured
    group by measure_type, area_level, area_id, subject_code
)

select * from final
