with

source as (
    select * from {{ source('uncertainty', 'sensitivities') }}
),

final as (
    select
        output,
        assumption,
        first_order,
        first_order_low,
        first_order_high,
        total,
        total_low,
        total_high
    from source
)

select * from final
