with

comparisons as (
    select * from {{ ref('int_comparisons') }}
),

releases_compared as (
    select * from comparisons
    where reason_code is null
),

headline as (
    select
        step,
        mean = 'arithmetic'
        and normalisation = 'none'
        and decimals is null
        and value_decimals is null as is_weighted_mean
    from {{ ref('int_index_nodes') }}
    where index_code = 'headline' and step > 0
),

scores as (
    select area_level, area_id, 'index' as node_code, index_score as score
    from {{ ref('int_area_index') }}
    union all
    select area_level, area_id, dimension_code as node_code, score
    from {{ ref('int_area_dimensions') }}
),

published as (
    select
        releases_compared.comparison,
        earlier_nodes.*
    from {{ ref('int_earlier_nodes') }} as earlier_nodes
    inner join releases_compared
        on releases_compared.half_year = earlier_nodes.half_year
),

recomputed as (
    select
        releases_compared.comparison,
        earlier_scores.*
    from {{ ref('int_earlier_scores') }} as earlier_scores
    inner join releases_compared
        on releases_compared.half_year = earlier_scores.half_year
),

reasons as (
    select * from {{ ref('change_reasons') }}
),

-- points add up where a node hands on the weighted mean of what it was handed, and nothing else
additive as (
    select
        {{ count_where("step = 1 and not is_weighted_mean") }} = 0 as are_dimensions,
        {{ count_where("not is_weighted_mean") }} = 0 as is_index
    from headline
),

compared as (
    select
        scores.area_level,
        scores.area_id,
        comparisons.comparison,
        scores.node_code,
        comparisons.half_year as compared_half_year,
        published.score as score_before_published,
        recomputed.score as score_before_recomputed,
        scores.score as score_now,
        case
            when comparisons.reason_code is not null then comparisons.reason_code
            when published.node_code is null and recomputed.node_code is null then 'unit_changed'
            when scores.score is null then 'no_score_now'
            when published.score is null or recomputed.score is null then 'no_score_before'
        end as reason_code,
        case scores.node_code when 'index' then additive.is_index else additive.are_dimensions end as is_additive
    from scores
    cross join comparisons
    cross join additive
    left join published
        on published.comparison = comparisons.comparison
            and published.area_level = scores.area_level
            and published.area_id = scores.area_id
            and published.node_code = scores.node_code
    left join recomputed
        on recomputed.comparison = comparisons.comparison
            and recomputed.area_level = scores.area_level
            and recomputed.area_id = scores.area_id
            and recomputed.node_code = scores.node_code
),

told as (
    select
        compared.area_level,
        compared.area_id,
        compared.comparison,
        compared.node_code,
        compared.compared_half_year,
        compared.score_before_published,
        compared.score_before_recomputed,
        compared.score_now,
        case when compared.reason_code is null then compared.score_now - compared.score_before_published end as change,
        case when compared.reason_code is null then compared.score_now - compared.score_before_recomputed end
            as change_same_standard,
        compared.reason_code is null as is_comparable,
        compared.reason_code is null and compared.is_additive as has_causes,
        coalesce(compared.reason_code, case when not compared.is_additive then 'not_additive' end) as reason_code,
        reasons.name_zh as reason_zh,
        reasons.name_en as reason_en,
        reasons.obs_status as missing_status
    from compared
    left join reasons
        on reasons.reason_code
            = coalesce(compared.reason_code, case when not compared.is_additive then 'not_additive' end)
),

-- a change across two standards is one between values that do not compare
final as (
    select
        area_level,
        area_id,
        comparison,
        node_code,
        compared_half_year,
        score_before_published,
        score_before_recomputed,
        score_now,
        change,
        change_same_standard,
        is_comparable,
        has_causes,
        reason_code,
        reason_zh,
        reason_en,
        {{ obs_status(
            'change',
            is_break='abs(score_before_published - score_before_recomputed) > 0.00000000001',
            missing_code='missing_status'
        ) }} as obs_status,
        {{ conf_status() }} as conf_status
    from told
)

select * from final
order by area_level, area_id, comparison, node_code
