{{ config(materialized='table') }}

with

comparisons as (
    select * from {{ ref('int_comparisons') }}
    where reason_code is null
),

nodes as (
    select * from {{ ref('int_index_nodes') }}
    where index_code = 'headline'
),

earlier_values as (
    select
        comparisons.comparison,
        earlier_values.*
    from {{ ref('int_earlier_values') }} as earlier_values
    inner join comparisons
        on comparisons.half_year = earlier_values.half_year
    where earlier_values.area_id is not null
),

earlier_scores as (
    select
        comparisons.comparison,
        earlier_scores.*
    from {{ ref('int_earlier_scores') }} as earlier_scores
    inner join comparisons
        on comparisons.half_year = earlier_scores.half_year
    where earlier_scores.area_id is not null
),

published_nodes as (
    select * from {{ ref('int_earlier_nodes') }}
),

now_scores as (
    select area_level, area_id, indicator_code as node_code, score
    from {{ ref('int_area_indicators') }}
    union all
    select area_level, area_id, dimension_code as node_code, score
    from {{ ref('int_area_dimensions') }}
    union all
    select area_level, area_id, 'index' as node_code, index_score as score
    from {{ ref('int_area_index') }}
),

-- what a node hands on: published then, then under the standard of today, and now
handed_on as (
    select
        comparison,
        'published' as state,
        area_level,
        area_id,
        indicator_code as node_code,
        published_dimension_code as parent_code,
        published_weight as weight,
        published_score as score
    from earlier_values
    union all
    select
        comparisons.comparison,
        'published' as state,
        published_nodes.area_level,
        published_nodes.area_id,
        published_nodes.node_code,
        case when published_nodes.node_code <> 'index' then 'index' end as parent_code,
        published_nodes.weight,
        published_nodes.score
    from published_nodes
    inner join comparisons
        on comparisons.half_year = published_nodes.half_year
    where published_nodes.area_id is not null
    union all
    select
        earlier_scores.comparison,
        'recomputed' as state,
        earlier_scores.area_level,
        earlier_scores.area_id,
        nodes.node_code,
        nodes.parent_code,
        nodes.weight,
        earlier_scores.score
    from earlier_scores
    inner join nodes
        on nodes.node_code = earlier_scores.node_code
    union all
    select
        comparisons.comparison,
        'current' as state,
        now_scores.area_level,
        now_scores.area_id,
        nodes.node_code,
        nodes.parent_code,
        nodes.weight,
        now_scores.score
    from now_scores
    cross join comparisons
    inner join nodes
        on nodes.node_code = now_scores.node_code
),

-- the weight of what has no score goes to the others of its parent
shares as (
    select
        comparison,
        state,
        area_level,
        area_id,
        node_code,
        parent_code,
        score,
        cast(weight as double)
        / {{ exact_sum('weight', 'over (partition by comparison, state, area_level, area_id, parent_code)') }} as share
    from handed_on
    where score is not null and weight > 0
),

leaves as (
    select * from shares
    where parent_code <> 'index'
),

final as (
    select
        leaves.comparison,
        leaves.state,
        leaves.area_level,
        leaves.area_id,
        dimensions.node_code,
        leaves.node_code as indicator_code,
        leaves.share,
        leaves.score
    from leaves
    inner join shares as dimensions
        on dimensions.comparison = leaves.comparison
            and dimensions.state = leaves.state
            and dimensions.area_level = leaves.area_level
            and dimensions.area_id = leaves.area_id
            and dimensions.node_code = leaves.parent_code
    union all
    select
        leaves.comparison,
        leaves.state,
        leaves.area_level,
        leaves.area_id,
        roots.node_code,
        leaves.node_code as indicator_code,
        leaves.share * dimensions.share as share,
        leaves.score
    from leaves
    inner join shares as dimensions
        on dimensions.comparison = leaves.comparison
            and dimensions.state = leaves.state
            and dimensions.area_level = leaves.area_level
            and dimensions.area_id = leaves.area_id
            and dimensions.node_code = leaves.parent_code
    inner join shares as roots
        on roots.comparison = dimensions.comparison
            and roots.state = dimensions.state
            and roots.area_level = dimensions.area_level
            and roots.area_id = dimensions.area_id
            and roots.node_code = dimensions.parent_code
)

select * from final
