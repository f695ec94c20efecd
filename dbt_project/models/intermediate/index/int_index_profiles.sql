with

areas as (
    select * from {{ ref('areas') }}
),

index_scores as (
    select * from {{ ref('index_scores') }}
),

dimension_scores as (
    select * from {{ ref('dimension_scores') }}
),

bands as (
    select * from {{ ref('bands') }}
),

reports as (
    select area_level, area_id, reports_per_1000
    from {{ ref('repair_statistics') }}
    where category_code = 'all'
),

scores as (
    select
        area_level,
        area_id,
        {%- for dimension_code, column in score_columns().items() %}
        max(case when dimension_code = '{{ dimension_code }}' then score end) as {{ column }}{{ ',' if not loop.last }}
        {%- endfor %}
    from dimension_scores
    group by area_level, area_id
),

intervals as (
    select * from {{ ref('index_uncertainty') }}
    where node_code = 'index'
),

final as (
    select
        areas.area_level,
        areas.area_id,
        areas.area_name,
        areas.street_id,
        areas.street_name,
        areas.county_id,
        areas.county_name,
        areas.residents,
        index_scores.index_score,
        intervals.score_low as index_low,
        intervals.score_high as index_high,
        index_scores.band_code,
        bands.name_zh as band_zh,
        bands.name_en as band_en,
        index_scores.status,
        index_scores.weight_available_pct,
        index_scores.rank,
        intervals.rank_low,
        intervals.rank_high,
        index_scores.ranked_areas,
        index_scores.previous_index_score,
        index_scores.index_change,
        index_scores.communities_below_60_pct,
        index_scores.worst_tenth_score,
        {%- for column in score_columns().values() %}
        scores.{{ column }},
        {%- endfor %}
        reports.reports_per_1000,
        index_scores.obs_status,
        index_scores.conf_status
    from areas
    inner join index_scores
        on index_scores.area_level = areas.area_level and index_scores.area_id = areas.area_id
    inner join scores
        on scores.area_level = areas.area_level and scores.area_id = areas.area_id
    left join intervals
        on intervals.area_level = areas.area_level and intervals.area_id = areas.area_id
    left join bands
        on bands.band_code = index_scores.band_code
    left join reports
        on reports.area_level = areas.area_level and reports.area_id = areas.area_id
)

select * from final
