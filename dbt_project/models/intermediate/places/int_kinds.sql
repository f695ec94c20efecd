{{ config(materialized='table') }}

with

facility_kinds as (
    select * from {{ ref('facility_kinds') }}
),

-- only a kind's own indicator can widen its radius
wider_in_existing_areas as (
    select distinct indicator_kinds.kind_code
    from {{ ref('indicator_kinds') }} as indicator_kinds
    inner join {{ ref('indicators') }} as indicators
        on indicator_kinds.indicator_code = indicators.indicator_code
    where indicator_kinds.role = 'primary' and indicators.uses_stock_radius
),

final as (
    select
        facility_kinds.kind_code,
        facility_kinds.name_zh,
        facility_kinds.name_en,
        facility_kinds.dimension_code,
        facility_kinds.target_group,
        facility_kinds.kind_code in {{ provided_kinds() }} as is_provided,
        facility_kinds.radius_m as radius_new_m,
        case
            when wider_in_existing_areas.kind_code is not null then facility_kinds.radius_stock_m
            else facility_kinds.radius_m
        end as radius_stock_m
    from facility_kinds
    left join wider_in_existing_areas
        on facility_kinds.kind_code = wider_in_existing_areas.kind_code
)

select * from final
