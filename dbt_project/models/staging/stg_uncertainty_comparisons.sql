with

source as (
    select * from {{ source('uncertainty', 'comparisons') }}
),

final as (
    select
        area_level,
        area_id,
        other_area_id,
        difference,
        difference_low,
        difference_high,
        is_different
    from source
)

select * from final
