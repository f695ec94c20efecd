with

source as (
    select * from {{ source('lake', 'survey_invitations') }}
),

final as (
    select
        community_id,
        channel,
        invited
    from source
)

select * from final
