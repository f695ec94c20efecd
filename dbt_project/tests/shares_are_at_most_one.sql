-- An indicator in percent is a share: its numerator is part of its denominator.
with

ratios as (
    select * from {{ ref('int_indicator_ratios') }}
),

indicators as (
    select * from {{ ref('int_indicators') }}
),

final as (
    select ratios.*
    from ratios
    inner join indicators
        on ratios.indicator_code = indicators.indicator_code
    where
        ratios.numerator < 0
        or ratios.denominator <= 0
        or (indicators.unit = 'pct' and ratios.numerator > ratios.denominator)
)

select * from final
