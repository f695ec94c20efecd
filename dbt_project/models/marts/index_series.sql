with

releases as (
    select * from {{ known_releases() }} as known_releases
),

vintages as (
    select * from {{ known_vintages() }} as known_vintages
),

earlier_nodes as (
    select * from {{ ref('int_earlier_nodes') }}
    where node_code = 'index'
),

earlier_scores as (
    select * from {{ ref('int_earlier_scores') }}
    where node_code = 'index'
),

series_breaks as (
    select * from {{ ref('int_series_breaks') }}
    where node_code = 'index'
),

area_index as (
    select * from {{ ref('int_area_index') }}
),

standard_versions as (
    select standard_version from {{ ref('standard_versions') }}
    where valid_to is null
),

earlier as (
    select
        area_index.area_level,
        area_index.area_id,
        releases.half_year,
        earlier_nodes.score as score_published,
        earlier_scores.score as score_same_standard,
        releases.version,
        releases.standard_version,
        releases.is_recomputed,
        earlier_nodes.area_id is null as is_break,
        vintages.release_stage
    from releases
    cross join area_index
    left join earlier_nodes
        on earlier_nodes.half_year = releases.half_year
            and earlier_nodes.area_level = area_index.area_level
            and earlier_nodes.area_id = area_index.area_id
    left join earlier_scores
        on earlier_scores.half_year = releases.half_year
            and earlier_scores.area_level = area_index.area_level
            and earlier_scores.area_id = area_index.area_id
    left join vintages
        on vintages.half_year = releases.half_year
            and vintages.version = releases.version
),

-- the version of a release is not known before it is published
series as (
    select * from earlier
    union all
    select
        area_index.area_level,
        area_index.area_id,
        '{{ var("half_year") }}' as half_year,
        area_index.index_score as score_published,
        area_index.index_score as score_same_standard,
        null as version,
        standard_versions.standard_version,
        false as is_recomputed,
        false as is_break,
        '{{ var("release_stage") }}' as release_stage
    from area_index
    cross join standard_versions
),

final as (
    select
        series.area_level,
        series.area_id,
        series.half_year,
        series.score_published,
        series.score_same_standard,
        series.version,
        series.standard_version,
        series.is_recomputed,
        series.is_break,
        {{ obs_status(
            'series.score_published',
            is_break='abs(series.score_published - series.score_same_standard) > 0.00000000001'
            ' or series_breaks.node_code is not null',
            is_provisional="series.release_stage = 'preliminary'"
        ) }} as obs_status,
        {{ conf_status() }} as conf_status
    from series
    left join series_breaks
        on series_breaks.area_level = series.area_level
            and series_breaks.area_id = series.area_id
            and series.half_year = '{{ var("half_year") }}'
)

select * from final
order by area_level, area_id, half_year
