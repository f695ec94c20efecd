with

earlier_vintages as (
    select * from {{ ref('int_earlier_vintages') }}
),

index_scores as (
    select * from {{ ref('index_scores') }}
),

dimension_scores as (
    select * from {{ ref('dimension_scores') }}
),

indicators as (
    select * from {{ ref('indicator_values') }}
),

candidate as (
    select
        area_level, area_id,
        'index' as node_code,
        cast(null as double) as value,
        index_score as score,
        rank,
        weight_available_pct,
        obs_status,
        conf_status
    from index_scores
    union all
    select
        area_level, area_id,
        dimension_code as node_code,
        null as value,
        score,
        null as rank,
        weight_available_pct,
        obs_status,
        conf_status
    from dimension_scores
    union all
    select
        area_level, area_id,
        indicator_code as node_code,
        value,
        score,
        null as rank,
        null as weight_available_pct,
        obs_status,
        conf_status
    from indicators
),

together as (
    select
        '{{ var("half_year") }}' as half_year,
        cast({{ var('release_version') }} as integer) as version,
        area_level, area_id, node_code, value, score, rank, weight_available_pct, obs_status, conf_status,
        '{{ var("release_stage") }}' as release_stage,
        '{{ var("release_kind") }}' as release_kind,
        false as is_withdrawn
    from candidate
    union all
    select
        half_year, version, area_level, area_id, node_code, value, score, rank, weight_available_pct, obs_status,
        conf_status, release_stage, release_kind, is_withdrawn
    from earlier_vintages
),

current_versions as (
    select
        half_year,
        max(version) as version
    from together
    where not is_withdrawn
    group by half_year
),

final as (
    select
        together.half_year,
        together.version,
        together.area_level,
        together.area_id,
        together.node_code,
        together.value,
        together.score,
        together.rank,
        together.weight_available_pct,
        together.obs_status,
        together.conf_status,
        together.release_stage,
        together.release_kind,
        current_versions.version is not null as is_current
    from together
    left join current_versions
        on current_versions.half_year = together.half_year
            and current_versions.version = together.version
)

select * from final
order by half_year, version, area_level, area_id, node_code
