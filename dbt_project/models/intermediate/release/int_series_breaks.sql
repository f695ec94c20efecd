{{ config(materialized='table') }}

with

changes as (
    select * from {{ ref('index_changes') }}
    where comparison = 'previous'
),

earlier_values as (
    select * from {{ ref('int_earlier_values') }}
    where half_year = '{{ var("previous_half_year") }}'
),

indicators as (
    select * from {{ ref('int_indicators') }}
),

changed_units as (
    select area_level, area_id
    from changes
    where node_code = 'index' and reason_code = 'unit_changed'
),

asked_otherwise as (
    select distinct indicators.indicator_code
    from {{ survey_breaks() }} as breaks
    inner join indicators
        on breaks.question in (indicators.survey_question, 'all')
    where breaks.half_year = '{{ var("half_year") }}'
),

-- beyond what binary arithmetic leaves
scored_otherwise as (
    select area_level, area_id, node_code
    from changes
    where abs(score_before_published - score_before_recomputed) > 0.00000000001
),

counted_otherwise as (
    select area_level, area_id, indicator_code as node_code
    from earlier_values
    where abs(published_value - value) > 0.00000000001 * greatest(1, abs(value))
),

breaks as (
    select area_level, area_id, node_code
    from changes
    where reason_code = 'unit_changed'
    union all
    select area_level, area_id, node_code
    from scored_otherwise
    union all
    select area_level, area_id, node_code
    from counted_otherwise
    union all
    select changed_units.area_level, changed_units.area_id, indicators.indicator_code as node_code
    from changed_units
    cross join indicators
    union all
    select earlier_values.area_level, earlier_values.area_id, earlier_values.indicator_code as node_code
    from earlier_values
    inner join asked_otherwise
        on asked_otherwise.indicator_code = earlier_values.indicator_code
),

final as (
    select distinct area_level, area_id, node_code
    from breaks
    where area_id is not null
)

select * from final
