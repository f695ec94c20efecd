with

answers as (
    select * from {{ ref('int_survey_answers') }}
),

questions as (
    select question_code
    from {{ ref('survey_questions') }}
    where module in ('QB', 'QC')
),

community_areas as (
    select * from {{ ref('int_community_areas') }}
),

survey as (
    select count(*) > 0 as has_responses
    from {{ ref('stg_survey_responses') }}
),

community_answers as (
    select
        community_id,
        question_code,
        count(*) as respondents,
        cast({{ count_where("score >= " ~ scoring('satisfied_score_min')) }} as double) / count(*) as top2_share,
        (cast(sum(score) as double) / count(*) - 1) / 4 as mean_share
    from answers
    group by community_id, question_code
),

-- above its own level a community's answers stand for its residents
weighted_answers as (
    select
        community_areas.area_level,
        community_areas.area_id,
        community_answers.*,
        case
            when community_areas.area_level = 'community' then 1
            else community_areas.residents
        end as answers_weight
    from community_areas
    inner join community_answers
        on community_answers.community_id = community_areas.community_id
),

pooled as (
    select
        area_level,
        area_id,
        question_code,
        sum(respondents) as respondents,
        {{ exact_sum('answers_weight * top2_share') }} / nullif(sum(answers_weight), 0) as top2_share,
        {{ exact_sum('answers_weight * mean_share') }} / nullif(sum(answers_weight), 0) as mean_share
    from weighted_answers
    group by area_level, area_id, question_code
),

populations as (
    select
        area_level,
        area_id,
        sum(residents) as residents
    from community_areas
    group by area_level, area_id
),

judged as (
    select
        populations.area_level,
        populations.area_id,
        questions.question_code,
        populations.residents,
        coalesce(pooled.respondents, 0) as respondents,
        pooled.top2_share,
        pooled.mean_share,
        coalesce(pooled.respondents, 0) < {{ scoring('survey_n_min') }} or pooled.top2_share is null as is_suppressed
    from populations
    cross join questions
    cross join survey
    left join pooled
        on pooled.area_level = populations.area_level
            and pooled.area_id = populations.area_id
            and pooled.question_code = questions.question_code
    where survey.has_responses
),

-- a sample of everybody has no sampling error, hence the correction for a finite population; fewer residents than
-- answers are an unreliable count
final as (
    select
        area_level,
        area_id,
        question_code,
        cast(respondents as bigint) as respondents,
        case when not is_suppressed then 100 * top2_share end as top2_pct,
        case when not is_suppressed then 100 * mean_share end as mean_score,
        case
            when is_suppressed or residents < respondents then null
            when residents = respondents then 0
            else
                100 * {{ scoring('confidence_z') }} * sqrt(
                    top2_share * (1 - top2_share) / respondents
                    * cast(residents - respondents as double) / (residents - 1)
                )
        end as margin_of_error_pct,
        is_suppressed
    from judged
)

select * from final
order by area_level, area_id, question_code
