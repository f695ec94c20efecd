with

ratios as (
    select * from {{ ref('int_indicator_ratios') }}
),

area_indicators as (
    select * from {{ ref('indicators') }}
    where unit = 'm2_per_100_households'
),

indicator_kinds as (
    select * from {{ ref('indicator_kinds') }}
),

-- the standard asks for the area of one kind; another kind's area may help to meet it (F08 for F07)
kinds_with_area_standard as (
    select kind_code, per_capita_value as required_m2_per_100_households
    from {{ ref('facility_kinds') }}
    where per_capita_unit = 'm2 per 100 households'
),

areas as (
    select
        ratios.community_id,
        indicator_kinds.kind_code,
        ratios.numerator as area_m2,
        kinds_with_area_standard.required_m2_per_100_households * ratios.denominator / area_indicators.multiplier
            as required_m2
    from ratios
    inner join area_indicators
        on area_indicators.indicator_code = ratios.indicator_code
    inner join indicator_kinds
        on indicator_kinds.indicator_code = ratios.indicator_code
    inner join kinds_with_area_standard
        on kinds_with_area_standard.kind_code = indicator_kinds.kind_code
    where ratios.missing_reason is null
),

final as (
    select
        community_id,
        kind_code,
        required_m2,
        greatest(required_m2 - area_m2, 0) as area_gap_m2
    from areas
)

select * from final
