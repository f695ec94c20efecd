with

source as (
    select * from {{ source('lake', 'community_changes') }}
),

final as (
    select
        community_id,
        changed_on,
        change_number,
        change,
        new_community_id,
        new_community_name
    from source
)

select * from final
