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
        'community' as place_type,
        community_id as place_id,
        cast(null as double) as lon,
        cast(null as double) as lat,
        source_file,
        source_row,
        reason_codes
    from {{ source('lake', 'quarantined_communities') }}
    union all
    select
        'estate' as place_type,
        estate_id as place_id,
        lon,
        lat,
        source_file,
        source_row,
        reason_codes
    from {{ source('lake', 'quarantined_estates') }}
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
    union all
    select
        'network' as place_type,
        edge_id as place_id,
        cast(null as double) as lon,
        cast(null as double) as lat,
        source_file,
        source_row,
        reason_codes
    from {{ source('lake', 'quarantined_walking_edges') }}
),

-- a profile may read one file twice for one table, and both times hold the same row back
final as (
    select distinct
        place_type,
        concat(source_file, ':', source_row) as place_row,
        place_id,
        lon,
        lat,
        reason_codes
    from held_back
)

select * from final
