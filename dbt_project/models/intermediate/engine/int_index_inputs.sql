{{ config(materialized='table') }}

{% set spec = var('index_spec', {}) -%}
with

{% if spec -%}
ratios as (
    select * from {{ parquet_file(spec.ratios) }}
),
{%- else -%}
area_ratios as (
    select * from {{ ref('int_area_ratios') }}
),

indicators as (
    select * from {{ ref('int_indicators') }}
),

ratios as (
    select
        area_ratios.area_level,
        area_ratios.area_id,
        area_ratios.indicator_code as node_code,
        indicators.multiplier,
        area_ratios.numerator,
        area_ratios.denominator
    from area_ratios
    inner join indicators
        on indicators.indicator_code = area_ratios.indicator_code
),
{%- endif %}

final as (
    select
        area_level,
        area_id,
        node_code,
        multiplier * numerator / nullif(denominator, 0) as value
    from ratios
)

select * from final
