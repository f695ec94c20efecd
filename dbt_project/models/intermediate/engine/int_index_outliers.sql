{{ config(materialized='table') }}

with recursive

nodes as (
    select * from {{ ref('int_index_nodes') }}
    where step = 0
),

leaves as (
    select
        leaves.index_code,
        leaves.area_level,
        leaves.node_code,
        leaves.transformed_value as value,
        nodes.outliers,
        nodes.outliers_pct,
        nodes.outliers_points,
        nodes.outliers_skewness,
        nodes.outliers_kurtosis
    from {{ ref('int_index_leaves') }} as leaves
    inner join nodes
        on nodes.index_code = leaves.index_code
            and nodes.node_code = leaves.node_code
    where leaves.transformed_value is not null and nodes.outliers <> 'none'
),

ordered as (
    select
        *,
        row_number() over (partition by index_code, area_level, node_code order by value) - 1 as place,
        (count(*) over (partition by index_code, area_level, node_code) - 1) * outliers_pct / 100 as low_place,
        (count(*) over (partition by index_code, area_level, node_code) - 1) * (1 - outliers_pct / 100) as high_place
    from leaves
    where outliers = 'winsorise_pct'
),

-- the percentile between two values lies between them in proportion
percentiles as (
    select
        index_code,
        area_level,
        node_code,
        sum(value * greatest(1 - abs(place - low_place), 0)) as lowest,
        sum(value * greatest(1 - abs(place - high_place), 0)) as highest
    from ordered
    group by index_code, area_level, node_code
),

-- each turn moves the points at one end to the value next to them, until the distribution passes or enough are moved
turns as (
    select
        index_code,
        area_level,
        node_code,
        0 as turn,
        min(value) as lowest,
        max(value) as highest,
        cast(0 as bigint) as moved
    from leaves
    where outliers = 'winsorise_skew'
    group by index_code, area_level, node_code
    union all
    select
        index_code,
        area_level,
        node_code,
        turn + 1 as turn,
        case when skewness < 0 then next_lowest else lowest end as lowest,
        case when skewness < 0 then highest else next_highest end as highest,
        case when skewness < 0 then moved_low else moved_high end as moved
    from (
        select
            *,
            units
            * sqrt(units - 1)
            * (third - 3 * first * second / units + 2 * first * first * first / (units * units))
            / ((units - 2) * power(second - first * first / units, 1.5)) as skewness,
            (units - 1)
            * (
                (units + 1)
                * units
                * (
                    fourth
                    - 4 * first * third / units
                    + 6 * first * first * second / (units * units)
                    - 3 * first * first * first * first / (units * units * units)
                )
                / power(second - first * first / units, 2)
                - 3 * (units - 1)
            )
            / ((units - 2) * (units - 3)) as kurtosis
        from (
            select
                index_code,
                area_level,
                node_code,
                turn,
                lowest,
                highest,
                moved,
                cast(count(*) as double) as units,
                {{ exact_sum('place') }} as first,
                {{ exact_sum('place * place') }} as second,
                {{ exact_sum('place * place * place') }} as third,
                {{ exact_sum('place * place * place * place') }} as fourth,
                max(case when value < highest then value end) as next_highest,
                min(case when value > lowest then value end) as next_lowest,
                {{ count_where('value >= highest or value < lowest') }} as moved_high,
                {{ count_where('value <= lowest or value > highest') }} as moved_low,
                max(outliers_points) as outliers_points,
                max(outliers_skewness) as outliers_skewness,
                max(outliers_kurtosis) as outliers_kurtosis
            from (
                select
                    turns.*,
                    leaves.value,
                    leaves.outliers_points,
                    leaves.outliers_skewness,
                    leaves.outliers_kurtosis,
                    (least(greatest(leaves.value, turns.lowest), turns.highest) - turns.lowest)
                    / (turns.highest - turns.lowest) as place
                from turns
                inner join leaves
                    on leaves.index_code = turns.index_code
                        and leaves.area_level = turns.area_level
                        and leaves.node_code = turns.node_code
                where turns.highest > turns.lowest
            ) as placed
            group by index_code, area_level, node_code, turn, lowest, highest, moved
        ) as summed
        where units > 3
    ) as measured
    where abs(skewness) >= outliers_skewness
        and kurtosis >= outliers_kurtosis
        and moved < outliers_points
        and next_highest > lowest
),

last_turns as (
    select
        *,
        row_number() over (partition by index_code, area_level, node_code order by turn desc) as from_the_last
    from turns
),

final as (
    select
        index_code,
        area_level,
        node_code,
        lowest,
        highest
    from percentiles
    union all
    select
        index_code,
        area_level,
        node_code,
        lowest,
        highest
    from last_turns
    where from_the_last = 1
)

select * from final
