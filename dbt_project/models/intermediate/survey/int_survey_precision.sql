with

indicators as (
    select
        indicator_code,
        survey_question,
        {{ answering_group('respondents') }} as group_code
    from {{ ref('int_indicators') }}
    where survey_question is not null
),

cells as (
    select * from {{ ref('int_survey_cells') }}
),

populations as (
    select * from {{ ref('int_survey_populations') }}
),

shares as (
    select
        cells.area_level,
        cells.area_id,
        indicators.indicator_code,
        cells.respondents,
        populations.population,
        {{ effective_size('cells.weight', 'cells.weight_squared') }} as effective_respondents,
        cells.weight_satisfied / cells.weight as share
    from cells
    inner join indicators
        on indicators.survey_question = cells.question_code
            and indicators.group_code = cells.group_code
    inner join populations
        on populations.area_level = cells.area_level
            and populations.area_id = cells.area_id
            and populations.group_code = cells.group_code
),

final as (
    select
        area_level,
        area_id,
        indicator_code,
        effective_respondents,
        100 * {{ standard_error('share', 'effective_respondents', 'respondents', 'population') }} as standard_error_pct
    from shares
)

select * from final
