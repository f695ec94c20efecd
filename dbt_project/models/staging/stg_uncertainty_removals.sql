with

source as (
    select * from {{ source('uncertainty', 'removals') }}
),

final as (
    select
        indicator_code,
        area_level,
        area_id,
        score,
        score_without,
        rank,
        rank_without
    from source
)

select * from final
