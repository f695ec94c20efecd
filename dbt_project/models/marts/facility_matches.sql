with

matches as (
    select * from {{ ref('stg_facility_matches') }}
),

registered as (
    select
        facility_id,
        facility_name,
        kind_code
    from {{ source('lake', 'facilities') }}
),

final as (
    select
        matches.facility_id,
        matches.other_facility_id,
        matches.canonical_facility_id,
        ours.kind_code,
        ours.facility_name,
        theirs.facility_name as other_facility_name,
        matches.name_similarity,
        matches.distance_m,
        matches.score,
        matches.decision,
        matches.decided_by,
        matches.reason_code
    from matches
    left join registered as ours
        on matches.facility_id = ours.facility_id
    left join registered as theirs
        on matches.other_facility_id = theirs.facility_id
)

select * from final
order by facility_id, other_facility_id
