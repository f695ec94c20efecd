with

source as (
    select * from {{ source('access', 'not_snapped') }}
),

-- two counties may look for one facility, each with the streets around it: the nearest that either found
final as (
    select
        point_type,
        point_id,
        min(distance_m) as distance_m
    from source
    group by point_type, point_id
)

select * from final
