{{ config(materialized='table') }}

with

-- what people answered: the survey, and how reporters rated
indicators as (
    select
        indicator_code,
        level as unit_level,
        case
            when survey_question is not null then {{ scoring('survey_n_min') }}
            when indicator_code = 'CNV-6' then {{ scoring('population_n_min') }}
            else 0
        end as n_observations_min,
        survey_question is not null or indicator_code = 'CNV-6' as is_answered,
        -- of what is counted no cell is kept back
        case
            when survey_question is not null then 'survey_satisfaction'
            when indicator_code = 'CNV-6' then 'repair_statistics'
        end as table_name,
        coalesce(survey_question, 'all') as item_code,
        {{ answering_group('respondents') }} as group_code
    from {{ ref('int_indicators') }}
),

suppressed_cells as (
    select * from {{ ref('stg_suppressed_cells') }}
),

community_areas as (
    select * from {{ ref('int_community_areas') }}
),

unit_ratios as (
    select
        'community' as unit_level,
        community_id as unit_id,
        indicator_code,
        numerator,
        denominator,
        n_observations,
        missing_reason
    from {{ ref('int_indicator_ratios') }}
    union all
    select
        'county' as unit_level,
        county_id as unit_id,
        indicator_code,
        numerator,
        denominator,
        n_observations,
        missing_reason
    from {{ ref('int_county_indicator_ratios') }}
),

-- what an area pools: its communities; for an indicator of level county, the counties that it lies in or consists of
pooled_units as (
    select area_level, area_id, 'community' as unit_level, community_id as unit_id, residents
    from community_areas
    union all
    select area_level, area_id, 'county' as unit_level, county_id as unit_id, sum(residents) as residents
    from community_areas
    group by area_level, area_id, county_id
),

-- in an area where nobody lives every unit weighs the same
weighted_units as (
    select
        area_level,
        area_id,
        unit_level,
        unit_id,
        case
            when sum(residents) over (partition by area_level, area_id, unit_level) = 0 then 1
            else residents
        end as unit_weight
    from pooled_units
),

unit_values as (
    select
        weighted_units.area_level,
        weighted_units.area_id,
        weighted_units.unit_weight,
        indicators.indicator_code,
        unit_ratios.numerator,
        unit_ratios.denominator,
        unit_ratios.n_observations,
        case
            when unit_ratios.indicator_code is null then 'no_denominator'
            else unit_ratios.missing_reason
        end as missing_reason,
        suppressed_cells.suppression is not null
        or (unit_ratios.n_observations > 0 and unit_ratios.n_observations < indicators.n_observations_min)
            as is_withheld
    from weighted_units
    inner join indicators
        on indicators.unit_level = weighted_units.unit_level
    left join suppressed_cells
        on suppressed_cells.table_name = indicators.table_name
            and suppressed_cells.item_code = indicators.item_code
            and suppressed_cells.group_code = indicators.group_code
            and suppressed_cells.area_level = weighted_units.unit_level
            and suppressed_cells.area_id = weighted_units.unit_id
    left join unit_ratios
        on unit_ratios.unit_level = weighted_units.unit_level
            and unit_ratios.unit_id = weighted_units.unit_id
            and unit_ratios.indicator_code = indicators.indicator_code
),

-- a unit without denominator has nothing to count, so nothing of it is missing; of a unit that is kept back, nothing
-- may tell whether somebody answered there, so that it is told as one with a value
pooled as (
    select
        area_level,
        area_id,
        indicator_code,
        {{ exact_sum("case when missing_reason is null then numerator end") }} as numerator,
        {{ exact_sum("case when missing_reason is null then denominator end") }} as denominator,
        sum(n_observations) as n_observations,
        {{ count_where("missing_reason is null") }} as units_with_value,
        sum(case when missing_reason is null then unit_weight else 0 end) as weight_with_value,
        sum(case when coalesce(missing_reason, '') <> 'no_denominator' then unit_weight else 0 end) as weight_to_count,
        sum(case when is_withheld or missing_reason is null then unit_weight else 0 end) as weight_told,
        sum(
            case when is_withheld or coalesce(missing_reason, '') <> 'no_denominator' then unit_weight else 0 end
        ) as weight_to_tell
    from unit_values
    group by area_level, area_id, indicator_code
),

reasons as (
    select
        area_level,
        area_id,
        indicator_code,
        missing_reason,
        sum(unit_weight) as unit_weight
    from unit_values
    where missing_reason is not null
    group by area_level, area_id, indicator_code, missing_reason
),

ranked_reasons as (
    select
        *,
        row_number() over (
            partition by area_level, area_id, indicator_code
            order by case when missing_reason = 'no_denominator' then 1 else 0 end, unit_weight desc, missing_reason
        ) as reason_order
    from reasons
),

main_reasons as (
    select * from ranked_reasons
    where reason_order = 1
),

judged as (
    select
        pooled.*,
        pooled.units_with_value > 0
        and {{ reaches_share('pooled.weight_with_value', 'pooled.weight_to_count', 'indicator_min_coverage') }}
            as is_covered,
        coalesce(pooled.n_observations, 0) >= indicators.n_observations_min as is_large_enough,
        indicators.is_answered,
        suppressed_cells.suppression,
        case
            when pooled.weight_to_tell > 0 then 100.0 * pooled.weight_told / pooled.weight_to_tell
            when pooled.units_with_value > 0 then 100.0
            else 0.0
        end as coverage_pct
    from pooled
    inner join indicators
        on indicators.indicator_code = pooled.indicator_code
    left join suppressed_cells
        on suppressed_cells.table_name = indicators.table_name
            and suppressed_cells.item_code = indicators.item_code
            and suppressed_cells.group_code = indicators.group_code
            and suppressed_cells.area_level = pooled.area_level
            and suppressed_cells.area_id = pooled.area_id
),

reasoned as (
    select
        judged.*,
        case
            when
                judged.suppression is not null
                and (judged.is_covered or main_reasons.missing_reason in ('sample_below_minimum', 'no_denominator'))
                then 'withheld'
            when not judged.is_covered then coalesce(main_reasons.missing_reason, 'coverage_below_minimum')
            when not judged.is_large_enough then 'withheld'
        end as missing_reason
    from judged
    left join main_reasons
        on main_reasons.area_level = judged.area_level
            and main_reasons.area_id = judged.area_id
            and main_reasons.indicator_code = judged.indicator_code
),

-- how reporters rated is a share of unweighted counts: of rounded ones, the index tells nothing that these do not
final as (
    select
        area_level,
        area_id,
        indicator_code,
        case
            when missing_reason is not null then null
            when indicator_code = 'CNV-6' then {{ rounded_count('numerator') }}
            else numerator
        end as numerator,
        case
            when missing_reason is not null then null
            when indicator_code = 'CNV-6' then {{ rounded_count('denominator') }}
            else denominator
        end as denominator,
        cast(
            case
                when not is_answered then coalesce(n_observations, 0)
                when missing_reason is null then {{ rounded_count('n_observations') }}
            end as bigint
        ) as n_observations,
        cast(coverage_pct as double) as coverage_pct,
        missing_reason,
        case when missing_reason = 'withheld' then 'withheld' end as suppression
    from reasoned
)

select * from final
