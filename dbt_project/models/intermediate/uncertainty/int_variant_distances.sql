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
    select * from {{ ref('stg_access_nearest') }}
    where facility_class in ('counting', 'counting_supermarket')
),

reach as (
    select
        access.building_id,
        serving_facilities.facility_id,
        serving_facilities.kind_code,
        serving_facilities.type_code,
        access.euclidean_m,
        access.network_m
    from {{ ref('stg_access_reach') }} as access
    inner join serving_facilities
        on access.facility_id = serving_facilities.facility_id
),

-- both distances side by side as long as possible, since there are many pairs and few circles
coverage as (
    select
        nearest.building_id,
        simple_indicators.indicator_code,
        min(nearest.euclidean_m) as euclidean_m,
        min(nearest.network_m) as network_m
    from nearest
    inner join indicator_kinds
        on nearest.kind_code = indicator_kinds.kind_code
    inner join simple_indicators
        on indicator_kinds.indicator_code = simple_indicators.indicator_code
    where nearest.facility_class = 'counting'
    group by nearest.building_id, simple_indicators.indicator_code
),

supermarkets as (
    select
        building_id,
        'COM-3' as indicator_code,
        euclidean_m,
        network_m
    from nearest
    where facility_class = 'counting_supermarket'
),

service_types as (
    select
        building_id,
        'CNV-2' as indicator_code,
        min(euclidean_m) as euclidean_m,
        min(network_m) as network_m
    from reach
    where type_code is not null
    group by building_id, type_code
),

simple_circles as (
    select * from coverage
    union all
    select * from supermarkets
    union all
    select * from service_types
),

typed_circles as (
    select
        simple_circles.building_id,
        simple_circles.indicator_code,
        distance_types.distance_type,
        case distance_types.distance_type
            when 'network' then simple_circles.network_m
            else simple_circles.euclidean_m
        end as distance_m
    from simple_circles
    cross join distance_types
),

culture_reach as (
    select
        reach.building_id,
        reach.facility_id,
        reach.kind_code,
        distance_types.distance_type,
        case distance_types.distance_type when 'network' then reach.network_m else reach.euclidean_m end as distance_m
    from reach
    cross join distance_types
    where reach.kind_code in ('F12', 'F13')
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
    from culture_reach
    where distance_m is not null
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

final as (
    select * from typed_circles
    union all
    select * from culture_circles
)

select * from final
where distance_m is not null
