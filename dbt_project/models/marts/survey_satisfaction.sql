with

cells as (
    select * from {{ ref('int_survey_cells') }}
),

populations as (
    select * from {{ ref('int_survey_populations') }}
),

suppressed_cells as (
    select * from {{ ref('stg_suppressed_cells') }}
    where table_name = 'survey_satisfaction'
),

previous as (
    select * from {{ ref('int_previous_survey') }}
),

questions as (
    select question_code
    from {{ ref('survey_questions') }}
    where module in ('QB', 'QC', 'QE')
),

breaks as (
    select
        questions.question_code,
        {{ dbt.listagg("breaks.note_zh", "'；'", "order by breaks.question, breaks.kind") }} as break_zh,
        {{ dbt.listagg("breaks.note_en", "'; '", "order by breaks.question, breaks.kind") }} as break_en
    from questions
    inner join {{ survey_breaks() }} as breaks
        on breaks.question in (questions.question_code, 'all')
    where breaks.half_year = '{{ var("half_year") }}'
    group by questions.question_code
),

survey as (
    select count(*) > 0 as has_responses
    from {{ ref('stg_survey_responses') }}
),

areas as (
    select distinct
        area_level,
        area_id
    from {{ ref('int_community_areas') }}
),

groups as (
    select 'all' as group_code
    union all
    select group_code
    from {{ ref('survey_characteristics') }}
    where group_code is not null
),

asked as (
    select
        areas.area_level,
        areas.area_id,
        questions.question_code,
        groups.group_code,
        populations.population,
        coalesce(cells.respondents, 0) as respondents,
        coalesce(cells.raked, 0) as raked,
        coalesce(cells.by_population, 0) as by_population,
        {{ effective_size('cells.weight', 'cells.weight_squared') }} as effective_respondents,
        cells.weight_satisfied / cells.weight as top2_share,
        cells.weight_score / cells.weight as mean_share,
        {{ suppression('suppressed_cells.suppression', 'cells.respondents', 'survey_n_min') }} as suppression
    from areas
    cross join questions
    cross join groups
    cross join survey
    left join cells
        on cells.area_level = areas.area_level
            and cells.area_id = areas.area_id
            and cells.question_code = questions.question_code
            and cells.group_code = groups.group_code
    left join populations
        on populations.area_level = areas.area_level
            and populations.area_id = areas.area_id
            and populations.group_code = groups.group_code
    left join suppressed_cells
        on suppressed_cells.area_level = areas.area_level
            and suppressed_cells.area_id = areas.area_id
            and suppressed_cells.item_code = questions.question_code
            and suppressed_cells.group_code = groups.group_code
    where survey.has_responses
),

-- what is kept back has no number at all, and neither has what could tell it
shown as (
    select
        area_level,
        area_id,
        question_code,
        group_code,
        suppression,
        case when suppression is null then {{ rounded_count('respondents') }} end as respondents,
        case when suppression is null then {{ rounded_down_count('effective_respondents') }} end as effective_respondents,
        case when suppression is null then round(100 * top2_share, 1) end as top2_pct,
        case when suppression is null then round(100 * mean_share, 1) end as mean_score,
        case
            when suppression is null
                then
                    round(
                        100 * {{ scoring('confidence_z') }}
                        * {{ standard_error('top2_share', 'effective_respondents', 'respondents', 'population') }},
                        1
                    )
        end as margin_of_error_pct,
        case
            when respondents = 0 or suppression is not null then null
            when respondents = raked then 'raked'
            when respondents = by_population then 'population'
            when raked + by_population = 0 then 'none'
            else 'mixed'
        end as weighting
    from asked
),

final as (
    select
        shown.area_level,
        shown.area_id,
        shown.question_code,
        shown.group_code,
        shown.respondents,
        shown.effective_respondents,
        shown.top2_pct,
        shown.mean_score,
        shown.margin_of_error_pct,
        shown.suppression is not null as is_suppressed,
        shown.suppression,
        shown.weighting,
        breaks.question_code is not null as is_break,
        breaks.break_zh,
        breaks.break_en,
        case when breaks.question_code is null then previous.previous_top2_pct end as previous_top2_pct,
        case
            when breaks.question_code is null then round(shown.top2_pct - previous.previous_top2_pct, 1)
        end as change_points,
        case
            when breaks.question_code is null
                then
                    sqrt(
                        power(shown.margin_of_error_pct, 2) + power(previous.previous_margin_of_error_pct, 2)
                    )
        end as change_margin_points,
        {{ obs_status('shown.top2_pct', suppression='shown.suppression', is_break='breaks.question_code is not null') }}
            as obs_status,
        {{ conf_status('shown.suppression') }} as conf_status
    from shown
    left join breaks
        on breaks.question_code = shown.question_code
    left join previous
        on shown.suppression is null
            and previous.area_level = shown.area_level
            and previous.area_id = shown.area_id
            and previous.question_code = shown.question_code
            and previous.group_code = shown.group_code
)

select * from final
order by area_level, area_id, question_code, group_code
