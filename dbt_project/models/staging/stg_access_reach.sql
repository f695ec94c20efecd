with

source as (
    select * from {{ source('access', 'reach') }}
),

final as (
    select
        building_id,
        facility_id,
        euclidean_m,
        network_m,
        network_basis
    from source
)

select * from final
