with

indicators as (
    select * from {{ ref('int_area_indicators') }}
),

dimensions as (
    select * from {{ ref('int_area_dimensions') }}
),

area_index as (
    select * from {{ ref('int_area_index') }}
),

-- the weight that an indicator really has in the index of an area, after what is missing gave its weight to the rest
effective_weights as (
    select
        indicators.area_level,
        indicators.area_id,
        indicators.indicator_code,
        indicators.dimension_code,
        indicators.score,
        case
            when area_index.status = 'ok' and dimensions.status = 'ok' and indicators.status = 'ok'
                then
                    100
                    * (dimensions.weight_pct / area_index.scored_weight_pct)
                    * (indicators.weight / dimensions.available_weight)
            else 0
        end as effective_weight_pct,
        area_index.status
    from indicators
    inner join dimensions
        on dimensions.area_level = indicators.area_level
            and dimensions.area_id = indicators.area_id
            and dimensions.dimension_code = indicators.dimension_code
    inner join area_index
        on area_index.area_level = indicators.area_level
            and area_index.area_id = indicators.area_id
),

final as (
    select
        area_level,
        area_id,
        indicator_code,
        dimension_code,
        case when status = 'ok' then effective_weight_pct end as effective_weight_pct,
        case when status = 'ok' then effective_weight_pct * coalesce(score, 0) / 100 end as contribution_points
    from effective_weights
)

select * from final
order by area_level, area_id, indicator_code
