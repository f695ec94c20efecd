{{ config(materialized='table') }}

{% set of_the_seed = [
    'indicator_code', 'dimension_code', 'name_zh', 'name_en', 'family', 'formula_zh', 'formula_en', 'unit',
    'multiplier', 'direction', 'normalisation', 'outliers', 'goalpost_low', 'goalpost_high', 'goalpost_status',
    'target', 'target_status', 'target_source', 'weight', 'weight_status', 'level', 'target_group', 'radius_m_override',
    'radius_m_override_status', 'radius_m_override_source', 'uses_stock_radius', 'summed_measure',
    'survey_question', 'respondents', 'feeds',
] -%}
with

standard as (
    select
        {% for column in of_the_seed %}{{ column }},
        {% endfor %}true as is_scored,
        cast(null as varchar) as figure_level,
        cast(null as varchar) as numerator_figure,
        cast(null as varchar) as denominator_figure,
        cast(null as double) as counted_from,
        'standard' as origin
    from {{ ref('indicators') }}
),

city as (
    select
        {% for column in of_the_seed %}{{ column }},
        {% endfor %}is_scored,
        figure_level,
        numerator_figure,
        denominator_figure,
        counted_from,
        'city' as origin
    from {{ source('lake', 'city_indicators') }}
),

together as (
    select * from standard
    union all
    select * from city
),

-- a scored indicator that a city adds takes its weight from the others of its dimension, in proportion
dimension_weights as (
    select
        dimension_code,
        {{ exact_sum('weight') }} as weight
    from together
    where is_scored
    group by dimension_code
),

final as (
    select
        {% for column in of_the_seed if column != 'weight' %}together.{{ column }},
        {% endfor %}case when together.is_scored then together.weight / dimension_weights.weight else 0 end as weight,
        together.is_scored,
        together.figure_level,
        together.numerator_figure,
        together.denominator_figure,
        together.counted_from,
        together.origin
    from together
    left join dimension_weights
        on dimension_weights.dimension_code = together.dimension_code
)

select * from final
