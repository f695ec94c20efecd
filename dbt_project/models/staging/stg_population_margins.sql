with

source as (
    select * from {{ source('lake', 'population_margins') }}
),

final as (
    select
        community_id,
        characteristic,
        category,
        people
    from source
)

select * from final
