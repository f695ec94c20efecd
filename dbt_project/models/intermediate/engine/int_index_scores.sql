{{ config(materialized='table') }}

with recursive

nodes as (
    select * from {{ ref('int_index_nodes') }}
),

levels as (
    select
        levels.*,
        nodes.parent_code,
        nodes.step,
        nodes.weight,
        nodes.mean,
        nodes.rank_one,
        -- what it hands on is what it was handed, so that its children's points are its own
        nodes.mean in ('arithmetic', 'sum')
        and nodes.normalisation = 'none'
        and nodes.direction = 1
        and nodes.value_decimals is null
        and nodes.decimals is null as is_additive
    from {{ ref('int_index_levels') }} as levels
    inner join nodes
        on nodes.index_code = levels.index_code
            and nodes.node_code = levels.node_code
    -- the areas of earlier half-years are a matter of int_earlier_scores
    where levels.area_level in (select distinct inputs.area_level from {{ ref('int_index_inputs') }} as inputs)
),

-- from the root down: the weight in the index that a node really has, after what is missing gave its weight to the rest
effective as (
    select
        index_code,
        area_level,
        area_id,
        node_code,
        scored_weight,
        mean,
        is_additive,
        true as is_added,
        cast(100 as double) as effective_weight_pct
    from levels
    where parent_code is null and score is not null
    union all
    select
        children.index_code,
        children.area_level,
        children.area_id,
        children.node_code,
        children.scored_weight,
        children.mean,
        children.is_additive,
        effective.is_added and effective.is_additive as is_added,
        case
            when children.score is null or effective.effective_weight_pct = 0 then 0
            else
                effective.effective_weight_pct
                * (children.weight / case effective.mean when 'sum' then 1 else effective.scored_weight end)
        end as effective_weight_pct
    from effective
    inner join levels as children
        on children.index_code = effective.index_code
            and children.area_level = effective.area_level
            and children.area_id = effective.area_id
            and children.parent_code = effective.node_code
),

points as (
    select
        levels.index_code,
        levels.area_level,
        levels.area_id,
        levels.node_code,
        levels.parent_code,
        levels.step,
        effective.effective_weight_pct,
        effective.is_additive,
        -- decimal, as the score of the index is the sum of these to the last digit
        case
            when effective.is_added
                then cast(effective.effective_weight_pct * coalesce(levels.score, 0) / 100 as decimal(38, 12))
        end as points
    from effective
    inner join levels
        on levels.index_code = effective.index_code
            and levels.area_level = effective.area_level
            and levels.area_id = effective.area_id
            and levels.node_code = effective.node_code
),

-- the points of a leaf, or of a group that is more than the sum of its leaves, belong to all that is above it
climbed as (
    select
        index_code,
        area_level,
        area_id,
        node_code,
        parent_code,
        points
    from points
    where points is not null and (step = 0 or not is_additive)
    union all
    select
        above.index_code,
        above.area_level,
        above.area_id,
        above.node_code,
        above.parent_code,
        climbed.points
    from climbed
    inner join points as above
        on above.index_code = climbed.index_code
            and above.area_level = climbed.area_level
            and above.area_id = climbed.area_id
            and above.node_code = climbed.parent_code
    where above.is_additive
),

added as (
    select
        index_code,
        area_level,
        area_id,
        node_code,
        cast(sum(points) as double) as points
    from climbed
    group by index_code, area_level, area_id, node_code
),

scored as (
    select
        levels.index_code,
        levels.area_level,
        levels.area_id,
        levels.node_code,
        levels.parent_code,
        levels.step,
        levels.value,
        levels.is_imputed,
        levels.weight,
        levels.available_pct,
        levels.scored_weight,
        levels.rank_one,
        points.effective_weight_pct,
        coalesce(added.points, cast(points.points as double)) as contribution_points,
        case when levels.parent_code is null and levels.is_additive then added.points else levels.score end as score,
        case
            when levels.parent_code is null and levels.is_additive then added.points else levels.unrounded_score
        end as unrounded_score
    from levels
    left join points
        on points.index_code = levels.index_code
            and points.area_level = levels.area_level
            and points.area_id = levels.area_id
            and points.node_code = levels.node_code
    left join added
        on added.index_code = levels.index_code
            and added.area_level = levels.area_level
            and added.area_id = levels.area_id
            and added.node_code = levels.node_code
),

spanned as (
    select
        *,
        max(abs(unrounded_score)) over (partition by index_code, area_level, node_code) as largest
    from scored
),

keyed as (
    select
        *,
        {{ tie_key('unrounded_score', 'largest') }} as ranked
    from spanned
),

ranked as (
    select
        *,
        rank() over (
            partition by index_code, area_level, node_code, ranked is null
            order by ranked
        ) as from_lowest,
        count(ranked) over (partition by index_code, area_level, node_code) as units,
        count(*) over (partition by index_code, area_level, node_code, ranked) as tied_units
    from keyed
),

final as (
    select
        index_code,
        area_level,
        area_id,
        node_code,
        parent_code,
        step,
        value,
        score,
        weight,
        effective_weight_pct,
        available_pct,
        scored_weight,
        contribution_points,
        case
            when ranked is not null then (from_lowest - 1) / cast(nullif(units - 1, 0) as double)
        end as percentile_rank,
        case
            when ranked is null then null
            when rank_one = 'lowest' then from_lowest
            else units - from_lowest - tied_units + 2
        end as rank,
        case when ranked is not null then units end as ranked_units,
        case when ranked is not null then tied_units end as tied_units,
        case
            when score is null then 'insufficient_data'
            when is_imputed then 'imputed'
            else 'ok'
        end as status
    from ranked
)

select * from final
