with

kinds as (
    select * from {{ ref('int_kinds') }}
    where is_provided
),

demand_points as (
    select * from {{ ref('int_demand_points') }}
),

nearest_closed as (
    select
        *,
        {{ headline('euclidean_m', 'network_m') }} as distance_m
    from {{ ref('stg_access_nearest') }}
    where facility_class = 'closed'
),

final as (
    select distinct
        demand_points.community_id,
        nearest_closed.kind_code
    from nearest_closed
    inner join kinds
        on nearest_closed.kind_code = kinds.kind_code
    inner join demand_points
        on nearest_closed.building_id = demand_points.building_id
    where
        {{ is_within('nearest_closed.distance_m', radius_of('kinds', 'demand_points')) }}
)

select * from final
