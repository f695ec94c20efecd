{{ config(materialized='table') }}

with

indicators as (
    select * from {{ ref('int_area_indicators') }}
),

dimensions as (
    select * from {{ ref('dimensions') }}
),

-- an indicator without data has a null score and drops out of the sums that use it
sums as (
    select
        area_level,
        area_id,
        dimension_code,
        {{ exact_sum('weight') }} as weight,
        {{ exact_sum("case when score is not null then weight else 0 end") }} as available_weight,
        {{ exact_sum('weight * score') }} as weighted_scores
    from indicators
    group by area_level, area_id, dimension_code
),

judged as (
    select
        *,
        available_weight > 0
        and {{ reaches_share('available_weight', 'weight', 'unit_min_weight_available') }} as is_scored
    from sums
),

final as (
    select
        judged.area_level,
        judged.area_id,
        judged.dimension_code,
        case when judged.is_scored then judged.weighted_scores / judged.available_weight end as score,
        dimensions.weight_pct,
        judged.available_weight,
        100 * judged.available_weight / judged.weight as weight_available_pct,
        case when judged.is_scored then 'ok' else 'insufficient_data' end as status
    from judged
    inner join dimensions
        on dimensions.dimension_code = judged.dimension_code
)

select * from final
