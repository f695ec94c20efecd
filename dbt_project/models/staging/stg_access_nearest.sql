with

source as (
    select * from {{ source('access', 'nearest') }}
),

final as (
    select
        building_id,
        kind_code,
        facility_class,
        euclidean_facility_id,
        euclidean_m,
        network_facility_id,
        network_m,
        network_basis
    from source
)

select * from final
