{{ config(materialized='table') }}

{%- set steps = ['available', 'reweighted', 'moved', 'opened', 'answered'] %}

with

terms as (
    select * from {{ ref('int_change_terms') }}
),

comparisons as (
    select * from {{ ref('int_comparisons') }}
    where reason_code is null
),

nodes as (
    select * from {{ ref('int_index_nodes') }}
    where index_code = 'headline' and step = 0
),

with_circle as (
    select distinct indicator_code
    from {{ ref('int_indicator_radii') }}
),

indicators as (
    select
        indicators.indicator_code,
        indicators.multiplier,
        nodes.normalisation,
        nodes.direction,
        nodes.goalpost_low,
        nodes.goalpost_high,
        -- what the people of a unit weigh, what is measured per head of them, and what counts things
        case
            when indicators.target_group is null then 'things'
            when indicators.summed_measure is null then 'people'
            else 'per_head'
        end as denominator_is,
        case
            when indicators.survey_question is not null then 'survey'
            when indicators.family in ('timeliness', 'satisfaction') then 'reports'
            when indicators.family in ('coverage', 'size', 'capacity') or with_circle.indicator_code is not null
                then 'facilities'
            when indicators.family = 'provision' then 'estates'
            else 'data'
        end as feed_is
    from {{ ref('int_indicators') }} as indicators
    inner join nodes
        on nodes.node_code = indicators.indicator_code
    left join with_circle
        on with_circle.indicator_code = indicators.indicator_code
),

-- a question that was put otherwise since: its answers do not compare
broken as (
    select distinct
        comparisons.comparison,
        indicators.indicator_code
    from comparisons
    inner join {{ survey_breaks() }} as breaks
        on breaks.half_year > comparisons.half_year
            and breaks.half_year <= '{{ var("half_year") }}'
    inner join {{ ref('int_indicators') }} as indicators
        on breaks.question in (indicators.survey_question, 'all')
    where indicators.survey_question is not null
),

earlier_scores as (
    select
        comparisons.comparison,
        earlier_scores.*
    from {{ ref('int_earlier_scores') }} as earlier_scores
    inner join comparisons
        on comparisons.half_year = earlier_scores.half_year
    where earlier_scores.area_id is not null and earlier_scores.score is not null
),

latest as (
    select * from {{ ref('int_area_indicators') }}
    where score is not null
),

-- what a unit that has a value now and had one then changed by
moved_terms as (
    select
        terms.*,
        indicators.multiplier,
        terms.denominator is not null as is_now,
        terms.denominator_then is not null as is_then,
        case
            when indicators.feed_is <> 'facilities' then indicators.feed_is
            when terms.has_operation then 'facilities'
            when terms.has_correction then 'data'
            -- no facility moved, so people did, inside the unit
            when indicators.denominator_is = 'people' and terms.denominator <> terms.denominator_then then 'population'
            else 'data'
        end as cause_code,
        case indicators.denominator_is
            when 'people' then terms.numerator_then / terms.denominator_then * terms.denominator
            else terms.numerator_then
        end as numerator_reweighted,
        case indicators.denominator_is
            when 'things' then terms.denominator_then
            else terms.denominator
        end as denominator_reweighted
    from terms
    inner join indicators
        on indicators.indicator_code = terms.indicator_code
),

{%- set passed = {
    'available': 'false', 'reweighted': 'false', 'moved': "cause_code = 'population'",
    'opened': "cause_code in ('population', 'facilities')", 'answered': "cause_code <> 'data'"
} %}

stepwise as (
    select
        comparison,
        area_level,
        area_id,
        indicator_code,
        {%- for step in steps %}
        {%- for part in ['numerator', 'denominator'] %}
        {{ exact_sum(
            "case when not is_then or (is_now and " ~ passed[step] ~ ") then " ~ part
            ~ " when is_now then " ~ part ~ ('_then' if step == 'available' else '_reweighted') ~ " end"
        ) }} as {{ part }}_{{ step }},
        {%- endfor %}
        {%- endfor %}
        min(multiplier) as multiplier
    from moved_terms
    group by comparison, area_level, area_id, indicator_code
),

-- with nothing left to divide by, a step cannot be told apart and belongs to the one after it
step_values as (
    select
        latest.indicator_code,
        latest.area_level,
        latest.area_id,
        earlier_scores.comparison,
        earlier_scores.score as score_then,
        earlier_scores.value as value_then,
        {%- for step in steps %}
        coalesce(
            stepwise.multiplier * stepwise.numerator_{{ step }} / nullif(stepwise.denominator_{{ step }}, 0),
            earlier_scores.value
        ) as value_{{ step }},
        {%- endfor %}
        latest.value,
        latest.score
    from latest
    inner join earlier_scores
        on earlier_scores.area_level = latest.area_level
            and earlier_scores.area_id = latest.area_id
            and earlier_scores.node_code = latest.indicator_code
    left join stepwise
        on stepwise.comparison = earlier_scores.comparison
            and stepwise.area_level = latest.area_level
            and stepwise.area_id = latest.area_id
            and stepwise.indicator_code = latest.indicator_code
),

-- between goalposts every value has its score; with another normalisation a step has the share of the score's change
-- that it has of the value's
scored as (
    select
        step_values.*,
        indicators.feed_is,
        {%- for step in steps %}
        case
            when indicators.normalisation = 'goalposts'
                then {{ goalpost_score(
                    'step_values.value_' ~ step, 'indicators.goalpost_low', 'indicators.goalpost_high',
                    'indicators.direction'
                ) }}
            else
                step_values.score_then
                + (step_values.score - step_values.score_then)
                * coalesce(
                    (step_values.value_{{ step }} - step_values.value_then)
                    / nullif(step_values.value - step_values.value_then, 0), 0
                )
        end as score_{{ step }}{{ ',' if not loop.last }}
        {%- endfor %}
    from step_values
    inner join indicators
        on indicators.indicator_code = step_values.indicator_code
),

final as (
    select
        scored.comparison,
        scored.area_level,
        scored.area_id,
        scored.indicator_code,
        scored.score_then,
        scored.score_available,
        scored.score_moved - scored.score_available as by_population,
        scored.score_opened - scored.score_moved as by_facilities,
        scored.score_answered - scored.score_opened as by_feed,
        scored.score - scored.score_answered as by_data,
        case
            when scored.feed_is in ('facilities', 'data') then 'data'
            when broken.indicator_code is not null then 'survey_break'
            else scored.feed_is
        end as feed_cause,
        scored.score
    from scored
    left join broken
        on broken.comparison = scored.comparison
            and broken.indicator_code = scored.indicator_code
)

select * from final
