-- Rules may be edited as one likes, but no shortfall falls through them: each is one candidate.
with

shortfalls as (
    select * from {{ ref('shortfalls') }}
),

candidates as (
    select * from {{ ref('int_project_candidates') }}
    where origin_code = 'shortfall'
),

final as (
    select
        shortfalls.community_id,
        shortfalls.kind_code,
        shortfalls.shortfall_status
    from shortfalls
    left join candidates
        on candidates.community_id = shortfalls.community_id
            and candidates.kind_code = shortfalls.kind_code
    where candidates.candidate_id is null
)

select * from final
