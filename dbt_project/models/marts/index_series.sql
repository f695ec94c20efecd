with

releases as (
    select * from {{ known_releases() }} as known_releases
),

earlier_nodes as (
    select * from {{ ref('int_earlier_nodes') }}
    where node_code = 'index'
),

earlier_scores as (
    select * from {{ ref('int_earlier_scores') }}
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
        earlier_nodes.area_id is null as is_break
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
),

-- the version of a release is not known before it is published
final as (
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
        false as is_break
    from area_index
    cross join standard_versions
)

select * from final
order by area_level, area_id, half_year
