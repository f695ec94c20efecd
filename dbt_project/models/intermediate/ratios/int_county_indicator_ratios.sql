{{ config(materialized='table') }}

with

indicators as (
    select * from {{ ref('indicators') }}
),

ratios as (
    select
        area_id as county_id,
        indicator_code,
        numerator,
        denominator,
        n_observations,
        missing_reason
    from {{ ref('int_ratios_capacity') }}
    where level = 'county'
),

final as (
    {{ settled_ratios('ratios', 'county_id') }}
)

select * from final
