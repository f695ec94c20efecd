{{ config(materialized='table') }}

with

indicators as (
    select * from {{ ref('int_indicators') }}
),

capacity as (
    select
        area_id as community_id,
        indicator_code,
        numerator,
        denominator,
        n_observations,
        missing_reason
    from {{ ref('int_ratios_capacity') }}
    where level = 'community'
),

ratios as (
    select * from {{ ref('int_ratios_coverage') }}
    union all
    select * from {{ ref('int_ratios_size') }}
    union all
    select * from capacity
    union all
    select * from {{ ref('int_ratios_provision') }}
    union all
    select * from {{ ref('int_ratios_timeliness') }}
    union all
    select * from {{ ref('int_ratios_satisfaction') }}
    union all
    select * from {{ ref('int_ratios_figures') }}
    {%- for model in var('city_models') %}
    union all
    select community_id, indicator_code, numerator, denominator, n_observations, missing_reason from {{ ref(model) }}
    {%- endfor %}
),

final as (
    {{ settled_ratios('ratios', 'community_id') }}
)

select * from final
