{{ config(materialized='table') }}

with

answers as (
    select * from {{ ref('int_survey_answers') }}
),

groups as (
    select
        response_id,
        group_code
    from {{ ref('int_survey_groups') }}
),

questions as (
    select question_code
    from {{ ref('survey_questions') }}
    where module in ('QB', 'QC', 'QE')
),

community_areas as (
    select * from {{ ref('int_community_areas') }}
),

community_cells as (
    select
        answers.community_id,
        answers.question_code,
        groups.group_code,
        count(*) as respondents,
        {{ count_where("answers.weighting = 'raked'") }} as raked,
        {{ count_where("answers.weighting = 'population'") }} as by_population,
        {{ exact_sum("answers.weight") }} as weight,
        {{ exact_sum("answers.weight * answers.weight") }} as weight_squared,
        {{ exact_sum(
            "case when answers.score >= " ~ scoring('satisfied_score_min') ~ " then answers.weight else 0 end"
        ) }} as weight_satisfied,
        {{ exact_sum("answers.weight * (answers.score - 1) / 4") }} as weight_score
    from answers
    inner join questions
        on questions.question_code = answers.question_code
    inner join groups
        on groups.response_id = answers.response_id
    group by answers.community_id, answers.question_code, groups.group_code
),

final as (
    select
        community_areas.area_level,
        community_areas.area_id,
        community_cells.question_code,
        community_cells.group_code,
        sum(community_cells.respondents) as respondents,
        sum(community_cells.raked) as raked,
        sum(community_cells.by_population) as by_population,
        {{ exact_sum("community_cells.weight") }} as weight,
        {{ exact_sum("community_cells.weight_squared") }} as weight_squared,
        {{ exact_sum("community_cells.weight_satisfied") }} as weight_satisfied,
        {{ exact_sum("community_cells.weight_score") }} as weight_score
    from community_cells
    inner join community_areas
        on community_areas.community_id = community_cells.community_id
    group by
        community_areas.area_level,
        community_areas.area_id,
        community_cells.question_code,
        community_cells.group_code
)

select * from final
