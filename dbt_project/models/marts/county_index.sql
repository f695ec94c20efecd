with

profiles as (
    select * from {{ ref('int_index_profiles') }}
    where area_level = 'county'
),

comparisons as (
    select * from {{ ref('index_comparisons') }}
    where area_level = 'county'
),

-- the county behind: equals keep the order of their codes
ordered as (
    select
        area_id,
        lead(area_id) over (order by rank, area_id) as next_area_id
    from profiles
    where rank_low is not null
),

different_from_next as (
    select
        ordered.area_id,
        comparisons.is_different
    from ordered
    inner join comparisons
        on
            comparisons.area_id = least(ordered.area_id, ordered.next_area_id)
            and comparisons.other_area_id = greatest(ordered.area_id, ordered.next_area_id)
),

final as (
    select
        profiles.area_id,
        profiles.area_name,
        profiles.residents,
        profiles.index_score,
        profiles.index_low,
        profiles.index_high,
        profiles.band_code,
        profiles.band_zh,
        profiles.band_en,
        profiles.status,
        profiles.weight_available_pct,
        profiles.rank,
        profiles.rank_low,
        profiles.rank_high,
        different_from_next.is_different as is_different_from_next,
        profiles.ranked_areas,
        profiles.previous_index_score,
        profiles.index_change,
        profiles.communities_below_60_pct,
        profiles.worst_tenth_score,
        {%- for column in score_columns().values() %}
        profiles.{{ column }},
        {%- endfor %}
        profiles.reports_per_1000,
        profiles.obs_status,
        profiles.conf_status
    from profiles
    left join different_from_next
        on different_from_next.area_id = profiles.area_id
)

select * from final
order by area_id
