with

vintages as (
    select
        *,
        coalesce(value, score) as headline
    from {{ ref('index_vintages') }}
    where half_year = '{{ var("half_year") }}'
),

versions as (
    select max(version) as version_before
    from vintages
    where version < {{ var('release_version') }}
),

before as (
    select vintages.*
    from vintages
    inner join versions
        on versions.version_before = vintages.version
),

candidate as (
    select * from vintages
    where version = {{ var('release_version') }}
),

-- also what only one of the two versions has
paired as (
    select
        coalesce(candidate.area_level, before.area_level) as area_level,
        coalesce(candidate.area_id, before.area_id) as area_id,
        coalesce(candidate.node_code, before.node_code) as node_code,
        before.headline as value_before,
        candidate.headline as value_now,
        before.rank as rank_before,
        candidate.rank as rank_now,
        case when candidate.headline is null then candidate.obs_status else before.obs_status end as missing_status,
        coalesce(nullif(candidate.conf_status, 'F'), before.conf_status, 'F') as conf_status
    from candidate
    full outer join before
        on before.area_level = candidate.area_level
            and before.area_id = candidate.area_id
            and before.node_code = candidate.node_code
),

-- beyond what binary arithmetic leaves
final as (
    select
        '{{ var("half_year") }}' as half_year,
        versions.version_before,
        cast({{ var('release_version') }} as integer) as version_now,
        paired.area_level,
        paired.area_id,
        paired.node_code,
        paired.value_before,
        paired.value_now,
        paired.value_now - paired.value_before as difference,
        paired.rank_before,
        paired.rank_now,
        case
            when paired.value_before is null or paired.value_now is null
                then (paired.value_before is null) != (paired.value_now is null)
            else abs(paired.value_now - paired.value_before) > 0.00000000001 * greatest(1, abs(paired.value_before))
        end
        or coalesce(paired.rank_before, 0) != coalesce(paired.rank_now, 0) as has_moved,
        {{ obs_status(
            'paired.value_now - paired.value_before',
            suppression="nullif(paired.conf_status, 'F')",
            missing_code='paired.missing_status'
        ) }} as obs_status,
        paired.conf_status
    from paired
    cross join versions
    where versions.version_before is not null
)

select * from final
order by area_level, area_id, node_code
