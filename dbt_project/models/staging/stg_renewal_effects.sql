with

source as (
    select * from {{ source('renewal', 'effects') }}
),

final as (
    select
        candidate_id,
        area_level,
        area_id,
        node_code,
        points
    from source
)

select * from final
