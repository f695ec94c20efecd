with

cells as (
    select * from {{ ref('int_survey_cells') }}
),

populations as (
    select * from {{ ref('int_survey_populations') }}
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
    select
        'all' as group_code,
        'all' as characteristic
    union all
    select
        group_code,
        characteristic
    from {{ ref('survey_characteristics') }}
    where group_code is not null
),

asked as (
    select
        areas.area_level,
        areas.area_id,
        questions.question_code,
        groups.group_code,
        groups.characteristic,
        populations.population,
        coalesce(cells.respondents, 0) as respondents,
        coalesce(cells.raked, 0) as raked,
        coalesce(cells.by_population, 0) as by_population,
        {{ effective_size('cells.weight', 'cells.weight_squared') }} as effective_respondents,
        cells.weight_satisfied / cells.weight as top2_share,
        cells.weight_score / cells.weight as mean_share,
        coalesce(cells.respondents, 0) < {{ scoring('survey_n_min') }} as is_small
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
    where survey.has_responses
),

siblings as (
    select
        *,
        {{ count_where("is_small and respondents > 0") }} over (
            partition by area_level, area_id, question_code, characteristic
        ) as small_groups,
        row_number() over (
            partition by area_level, area_id, question_code, characteristic, is_small order by respondents, group_code
        ) as smallness
    from asked
),

-- one group alone that is too small could be told from everybody and the others, so the smallest of these goes with it
judged as (
    select
        *,
        is_small or (small_groups = 1 and smallness = 1) as is_suppressed
    from siblings
),

shown as (
    select
        area_level,
        area_id,
        question_code,
        group_code,
        cast(respondents as bigint) as respondents,
        case when not is_suppressed then effective_respondents end as effective_respondents,
        case when not is_suppressed then 100 * top2_share end as top2_pct,
        case when not is_suppressed then 100 * mean_share end as mean_score,
        case
            when not is_suppressed
                then
                    100 * {{ scoring('confidence_z') }}
                    * {{ standard_error('top2_share', 'effective_respondents', 'respondents', 'population') }}
        end as margin_of_error_pct,
        is_suppressed,
        case
            when respondents = raked then 'raked'
            when respondents = by_population then 'population'
            when raked + by_population = 0 then 'none'
            else 'mixed'
        end as weighting
    from judged
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
        shown.is_suppressed,
        case when shown.respondents > 0 then shown.weighting end as weighting,
        breaks.question_code is not null as is_break,
        breaks.break_zh,
        breaks.break_en,
        case when breaks.question_code is null then previous.previous_top2_pct end as previous_top2_pct,
        case
            when breaks.question_code is null then shown.top2_pct - previous.previous_top2_pct
        end as change_points,
        case
            when breaks.question_code is null
                then
                    sqrt(
                        power(shown.margin_of_error_pct, 2) + power(previous.previous_margin_of_error_pct, 2)
                    )
        end as change_margin_points
    from shown
    left join breaks
        on breaks.question_code = shown.question_code
    left join previous
        on not shown.is_suppressed
            and previous.area_level = shown.area_level
            and previous.area_id = shown.area_id
            and previous.question_code = shown.question_code
            and previous.group_code = shown.group_code
)

select * from final
order by area_level, area_id, question_code, group_code
