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

measures as (
    select
        indicators.indicator_code,
        operating.facility_id,
        operating.host_facility_id,
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

final as (
    select
        measures.indicator_code,
        measures.facility_id,
        measures.community_id,
        measures.county_id,
        measures.amount
    from measures
    -- the area of a facility inside another one of the same indicator is part of its host's
    left join measures as hosts
        on
            measures.indicator_code = hosts.indicator_code
            and measures.host_facility_id = hosts.facility_id
            and measures.facility_id <> hosts.facility_id
    where hosts.facility_id is null
)

select * from final
