with

source as (
    select * from {{ source('uncertainty', 'intervals') }}
),

final as (
    select
        area_level,
        area_id,
        node_code,
        score,
        score_low,
        score_high,
        score_median,
        rank,
        rank_low,
        rank_high
    from source
)

select * from final
