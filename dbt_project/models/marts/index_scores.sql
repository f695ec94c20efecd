with

area_index as (
    select * from {{ ref('int_area_index') }}
),

areas as (
    select * from {{ ref('areas') }}
),

bands as (
    select * from {{ ref('bands') }}
),

community_spread as (
    select * from {{ ref('int_community_spread') }}
),

previous_index as (
    select * from {{ ref('int_previous_index') }}
),

series_breaks as (
    select * from {{ ref('int_series_breaks') }}
),

reached_bands as (
    select
        area_index.area_level,
        area_index.area_id,
        max(bands.score_min) as score_min
    from area_index
    inner join bands
        on bands.score_min <= area_index.index_score
    group by area_index.area_level, area_index.area_id
),

final as (
    select
        areas.area_level,
        areas.area_id,
        areas.area_name,
        areas.county_name,
        area_index.index_score,
        bands.band_code,
        area_index.status,
        area_index.weight_available_pct,
        area_index.rank,
        area_index.ranked_areas,
        area_index.tied_areas,
        area_index.index_score_equal_weights,
        area_index.index_score_geometric,
        community_spread.communities_below_60_pct,
        community_spread.worst_tenth_score,
        previous_index.previous_index_score,
        area_index.index_score - previous_index.previous_index_score as index_change,
        {{ obs_status('area_index.index_score', is_break='series_breaks.node_code is not null') }} as obs_status,
        {{ conf_status() }} as conf_status
    from area_index
    inner join areas
        on areas.area_level = area_index.area_level
            and areas.area_id = area_index.area_id
    left join reached_bands
        on reached_bands.area_level = area_index.area_level
            and reached_bands.area_id = area_index.area_id
    left join bands
        on bands.score_min = reached_bands.score_min
    left join community_spread
        on community_spread.area_level = area_index.area_level
            and community_spread.area_id = area_index.area_id
    left join previous_index
        on previous_index.area_level = area_index.area_level
            and previous_index.area_id = area_index.area_id
    left join series_breaks
        on series_breaks.area_level = area_index.area_level
            and series_breaks.area_id = area_index.area_id
            and series_breaks.node_code = 'index'
)

select * from final
order by area_level, area_id
