with

held_back as (
    select
        'building' as place_type,
        building_id as place_id,
        lon,
        lat,
        source_file,
        source_row,
        reason_codes
    from {{ source('lake', 'quarantined_buildings') }}
    union all
    select
        'facility' as place_type,
        facility_id as place_id,
        lon,
        lat,
        source_file,
        source_row,
        reason_codes
    from {{ source('lake', 'quarantined_facilities') }}
),

final as (
    select
        place_type,
        concat(source_file, ':', source_row) as place_row,
        place_id,
        lon,
        lat,
        reason_codes
    from held_back
)

select * from final
