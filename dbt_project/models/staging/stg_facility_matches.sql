with

source as (
    select * from {{ source('lake', 'facility_matches') }}
),

final as (
    select
        facility_id,
        other_facility_id,
        canonical_facility_id,
        name_similarity,
        distance_m,
        score,
        decision,
        decided_by,
        reason_code
    from source
)

select * from final
