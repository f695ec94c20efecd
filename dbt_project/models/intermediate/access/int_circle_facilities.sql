{{ config(materialized='table') }}

with

facilities as (
    select * from {{ ref('int_facilities') }}
    where {{ counts('facility_status') }}
),

kinds as (
    select * from {{ ref('int_kinds') }}
),

indicator_kinds as (
    select * from {{ ref('indicator_kinds') }}
),

radii as (
    select * from {{ ref('int_indicator_radii') }}
),

-- circles that are filled from the pairs in them are also asked for by those who walk faster
fastest as (
    select max(factor) as walking_factor
    from {{ ref('uncertainty') }}
    where assumption = 'walking_speed'
),

circles as (
    select
        kind_code,
        radius_new_m as radius_m
    from kinds
    union all
    select
        kind_code,
        radius_stock_m as radius_m
    from kinds
    union all
    select
        indicator_kinds.kind_code,
        radii.radius_m
        * case
            when radii.indicator_code in ('CUL-2', 'CNV-2') then greatest(coalesce(fastest.walking_factor, 1), 1)
            else 1
        end as radius_m
    from indicator_kinds
    inner join radii
        on indicator_kinds.indicator_code = radii.indicator_code
    cross join fastest
),

widest as (
    select
        kind_code,
        max(radius_m) as limit_m
    from circles
    group by kind_code
),

final as (
    select
        facilities.facility_id,
        facilities.kind_code,
        facilities.x_m,
        facilities.y_m,
        widest.limit_m
    from facilities
    inner join widest
        on facilities.kind_code = widest.kind_code
)

select * from final
