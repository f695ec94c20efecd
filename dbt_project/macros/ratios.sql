{#-
    The last word on a ratio, the same at every level: a ratio without denominator, or of fewer people than may be
    published, is missing; a missing ratio has no numbers. Expects the relations `ratios` and `indicators`.
-#}
{% macro settled_ratios(ratios, area_key) -%}
    select
        {{ area_key }},
        indicator_code,
        case when missing_reason is null then numerator end as numerator,
        case when missing_reason is null then denominator end as denominator,
        n_observations,
        missing_reason
    from (
        select
            ratios.{{ area_key }},
            ratios.indicator_code,
            round(ratios.numerator, 6) as numerator,
            round(ratios.denominator, 6) as denominator,
            cast(ratios.n_observations as bigint) as n_observations,
            case
                when ratios.missing_reason is not null then ratios.missing_reason
                when coalesce(ratios.denominator, 0) = 0 then 'no_denominator'
                when indicators.target_group is not null
                    and ratios.denominator < {{ scoring('population_n_min') }} then 'sample_below_minimum'
            end as missing_reason
        from {{ ratios }} as ratios
        inner join indicators
            on indicators.indicator_code = ratios.indicator_code
    ) as judged
{%- endmacro %}
