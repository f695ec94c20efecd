-- Dimension weights sum to 100, indicator weights to 1 inside each dimension, and those of the priority to 1.
with

sums as (
    select
        'dimensions' as what,
        sum(weight_pct) / 100 as total
    from {{ ref('dimensions') }}
    union all
    select
        dimension_code as what,
        sum(weight) as total
    from {{ ref('int_indicators') }}
    group by dimension_code
    union all
    select
        'renewal_priority' as what,
        sum(weight) as total
    from {{ ref('renewal_priority') }}
),

final as (
    select * from sums
    where abs(total - 1) > 0.000001
)

select * from final
