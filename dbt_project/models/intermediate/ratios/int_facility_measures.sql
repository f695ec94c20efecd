with

indicators as (
    select * from {{ ref('indicators') }}
    where summed_measure is not null
),

indicator_kinds as (
    select * from {{ ref('indicator_kinds') }}
),

operating as (
    select * from {{ ref('int_facilities') }}
    where operating_status = 'operating'
),

outer_facilities as (
    select * from {{ ref('int_outer_facilities') }}
),

measures as (
    select
        indicators.indicator_code,
        operating.facility_id,
        operating.community_id,
        operating.county_id,
        case indicators.summed_measure
            when 'floor_area_m2' then cast(operating.floor_area_m2 as decimal(18, 2))
            when 'land_area_m2' then cast(operating.land_area_m2 as decimal(18, 2))
            when 'capacity' then cast(operating.capacity as decimal(18, 2))
        end as amount
    from indicators
    inner join indicator_kinds
        on indicators.indicator_code = indicator_kinds.indicator_code
    inner join operating
        on indicator_kinds.kind_code = operating.kind_code
),

-- the area of a facility inside another one of the same indicator is part of that one's
inside as (
    select distinct
        measures.indicator_code,
        measures.facility_id
    from measures
    inner join outer_facilities
        on measures.facility_id = outer_facilities.facility_id
    inner join measures as around
        on
            outer_facilities.outer_facility_id = around.facility_id
            and measures.indicator_code = around.indicator_code
),

final as (
    select
        measures.indicator_code,
        measures.facility_id,
        measures.community_id,
        measures.county_id,
        measures.amount
    from measures
    left join inside
        on
            measures.indicator_code = inside.indicator_code
            and measures.facility_id = inside.facility_id
    where inside.facility_id is null
)

select * from final
