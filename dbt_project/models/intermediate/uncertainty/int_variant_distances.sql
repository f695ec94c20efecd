with

distance_types as (
    select distinct distance_type
    from {{ ref('int_variants') }}
),

indicator_kinds as (
    select * from {{ ref('indicator_kinds') }}
),

simple_indicators as (
    select indicator_code
    from {{ ref('indicators') }}
    where family = 'coverage' and indicator_code <> 'CUL-2'
),

serving_facilities as (
    select * from {{ ref('int_serving_facilities') }}
),

nearest as (
    select
        access.building_id,
        access.kind_code,
        access.facility_class,
        distance_types.distance_type,
        case distance_types.distance_type when 'network' then access.network_m else access.euclidean_m end as distance_m
    from {{ ref('stg_access_nearest') }} as access
    cross join distance_types
    where access.facility_class in ('counting', 'counting_supermarket')
),

reach as (
    select
        access.building_id,
        serving_facilities.facility_id,
        serving_facilities.kind_code,
        serving_facilities.type_code,
        distance_types.distance_type,
        case distance_types.distance_type when 'network' then access.network_m else access.euclidean_m end as distance_m
    from {{ ref('stg_access_reach') }} as access
    inner join serving_facilities
        on access.facility_id = serving_facilities.facility_id
    cross join distance_types
),

coverage as (
    select
        nearest.building_id,
        simple_indicators.indicator_code,
        nearest.distance_type,
        min(nearest.distance_m) as distance_m
    from nearest
    inner join indicator_kinds
        on nearest.kind_code = indicator_kinds.kind_code
    inner join simple_indicators
        on indicator_kinds.indicator_code = simple_indicators.indicator_code
    where nearest.facility_class = 'counting'
    group by nearest.building_id, simple_indicators.indicator_code, nearest.distance_type
),

supermarkets as (
    select
        building_id,
        'COM-3' as indicator_code,
        distance_type,
        distance_m
    from nearest
    where facility_class = 'counting_supermarket'
),

culture_places as (
    select
        building_id,
        distance_type,
        distance_m,
        kind_code = 'F12' as is_venue,
        row_number() over (
            partition by building_id, distance_type, kind_code
            order by distance_m, facility_id
        ) as order_in_kind,
        row_number() over (
            partition by building_id, distance_type
            order by distance_m, facility_id
        ) as order_of_all
    from reach
    where kind_code in ('F12', 'F13') and distance_m is not null
),

needed_places as (
    select
        *,
        case
            when is_venue and order_in_kind = {{ scoring('culture_venues_min') }} then 1 else 0
        end as is_last_venue,
        case
            when order_of_all = {{ scoring('culture_venues_min') }} + {{ scoring('culture_spaces_min') }} then 1 else 0
        end as is_last_space
    from culture_places
),

-- a culture circle needs venues, and further spaces, venues or others: it is as wide as the last of them is far
culture_circles as (
    select
        building_id,
        'CUL-2' as indicator_code,
        distance_type,
        max(distance_m) as distance_m
    from needed_places
    where is_last_venue = 1 or is_last_space = 1
    group by building_id, distance_type
    having max(is_last_venue) = 1 and max(is_last_space) = 1
),

service_types as (
    select
        building_id,
        'CNV-2' as indicator_code,
        distance_type,
        min(distance_m) as distance_m
    from reach
    where type_code is not null
    group by building_id, distance_type, type_code
),

final as (
    select * from coverage
    union all
    select * from supermarkets
    union all
    select * from culture_circles
    union all
    select * from service_types
)

select * from final
where distance_m is not null
