with

kinds as (
    select * from {{ ref('int_kinds') }}
),

indicators as (
    select * from {{ ref('indicators') }}
),

primary_kinds as (
    select * from {{ ref('indicator_kinds') }}
    where role = 'primary'
),

area_types as (
    select 'stock' as area_type
    union all
    select 'new' as area_type
),

final as (
    select
        indicators.indicator_code,
        area_types.area_type,
        max(coalesce(
            indicators.radius_m_override,
            case
                when indicators.uses_stock_radius and area_types.area_type = 'stock' then kinds.radius_stock_m
                else kinds.radius_new_m
            end
        )) as radius_m
    from indicators
    inner join primary_kinds
        on indicators.indicator_code = primary_kinds.indicator_code
    inner join kinds
        on primary_kinds.kind_code = kinds.kind_code
    cross join area_types
    where
        indicators.family = 'coverage'
        or indicators.indicator_code in ('COM-3', 'CNV-2')
    group by indicators.indicator_code, area_types.area_type
)

select * from final
