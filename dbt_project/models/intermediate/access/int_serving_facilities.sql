with

-- an outlet has its type; a store, market or parcel point stands for a type as well
service_types as (
    select
        type_code,
        'F19' as kind_code,
        type_code as kind_subtype
    from {{ ref('service_types') }}
    union all
    select
        type_code,
        kind_code,
        kind_subtype
    from {{ ref('service_types') }}
    where kind_code is not null
),

facilities as (
    select * from {{ ref('int_facilities') }}
    where kind_code in ('F12', 'F13', 'F14', 'F15', 'F18', 'F19')
),

final as (
    select
        facilities.facility_id,
        facilities.kind_code,
        service_types.type_code
    from facilities
    left join service_types
        on
            facilities.kind_code = service_types.kind_code
            and (service_types.kind_subtype is null or facilities.subtype = service_types.kind_subtype)
)

select * from final
