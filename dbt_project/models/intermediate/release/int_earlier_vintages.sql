{{ config(materialized='table') }}

with

vintages as (
    select * from {{ vintage_tables('index_vintages', {
        'area_level': 'varchar', 'area_id': 'varchar', 'node_code': 'varchar', 'value': 'double', 'score': 'double',
        'rank': 'bigint', 'weight_available_pct': 'double', 'obs_status': 'varchar', 'conf_status': 'varchar'
    }) }} as index_vintages
),

-- versions from before there were vintages say the same in three tables
index_scores as (
    select * from {{ vintage_tables('index_scores', {
        'area_level': 'varchar', 'area_id': 'varchar', 'index_score': 'double', 'rank': 'bigint',
        'weight_available_pct': 'double'
    }, without='index_vintages') }} as index_scores
),

dimension_scores as (
    select * from {{ vintage_tables('dimension_scores', {
        'area_level': 'varchar', 'area_id': 'varchar', 'dimension_code': 'varchar', 'score': 'double',
        'weight_available_pct': 'double'
    }, without='index_vintages') }} as dimension_scores
),

indicators as (
    select * from {{ vintage_tables('indicators', {
        'area_level': 'varchar', 'area_id': 'varchar', 'indicator_code': 'varchar', 'value': 'double', 'score': 'double',
        'missing_reason': 'varchar'
    }, without='index_vintages') }} as indicators
),

missing_reasons as (
    select * from {{ ref('missing_reasons') }}
),

without_vintages as (
    select
        half_year, version, release_kind, release_stage, is_withdrawn, area_level, area_id,
        'index' as node_code,
        cast(null as double) as value,
        index_score as score,
        rank,
        weight_available_pct,
        cast(null as varchar) as missing_status
    from index_scores
    union all
    select
        half_year, version, release_kind, release_stage, is_withdrawn, area_level, area_id,
        dimension_code as node_code,
        null as value,
        score,
        null as rank,
        weight_available_pct,
        null as missing_status
    from dimension_scores
    union all
    select
        indicators.half_year, indicators.version, indicators.release_kind, indicators.release_stage,
        indicators.is_withdrawn, indicators.area_level, indicators.area_id,
        indicators.indicator_code as node_code,
        indicators.value,
        indicators.score,
        null as rank,
        null as weight_available_pct,
        coalesce(missing_reasons.obs_status, 'O') as missing_status
    from indicators
    left join missing_reasons
        on missing_reasons.reason_code = indicators.missing_reason
),

final as (
    select
        half_year, version, release_kind, release_stage, is_withdrawn, area_level, area_id, node_code, value, score, rank,
        weight_available_pct, obs_status, {{ conf_status("nullif(conf_status, 'F')") }} as conf_status
    from vintages
    union all
    select
        half_year, version, release_kind, release_stage, is_withdrawn, area_level, area_id, node_code, value, score, rank,
        weight_available_pct,
        {{ obs_status(
            'case when missing_status is null then score else value end',
            missing_code='missing_status',
            is_provisional="release_stage = 'preliminary'"
        ) }} as obs_status,
        {{ conf_status() }} as conf_status
    from without_vintages
)

select * from final
