with

profiles as (
    select * from {{ ref('int_index_profiles') }}
    where area_level = 'community'
),

final as (
    select
        area_id,
        area_name,
        street_id,
        street_name,
        county_id,
        county_name,
        residents,
        index_score,
        index_low,
        index_high,
        band_code,
        band_zh,
        band_en,
        status,
        weight_available_pct,
        rank,
        rank_low,
        rank_high,
        ranked_areas,
        previous_index_score,
        index_change,
        {%- for column in score_columns().values() %}
        {{ column }},
        {%- endfor %}
        reports_per_1000,
        obs_status,
        conf_status
    from profiles
)

select * from final
order by area_id
