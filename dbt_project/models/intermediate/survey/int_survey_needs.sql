{{ config(materialized='table') }}

with

answers as (
    select * from {{ ref('int_survey_answers') }}
),

respondents as (
    select * from {{ ref('int_survey_respondents') }}
),

needs as (
    select * from {{ ref('needs') }}
),

community_areas as (
    select * from {{ ref('int_community_areas') }}
),

rated as (
    select
        answers.community_id,
        needs.need_code,
        count(*) as respondents,
        {{ exact_sum("answers.weight") }} as weight,
        {{ exact_sum("answers.weight * answers.weight") }} as weight_squared,
        {{ exact_sum("answers.weight * answers.score") }} as weight_score,
        {{ exact_sum(
            "case when answers.score >= " ~ scoring('satisfied_score_min') ~ " then answers.weight else 0 end"
        ) }} as weight_important
    from answers
    inner join needs
        on answers.question_code = concat('importance_', lower(needs.need_code))
    group by answers.community_id, needs.need_code
),

choosing as (
    select
        community_id,
        count(*) as respondents,
        {{ exact_sum("weight") }} as weight,
        {{ exact_sum("weight * weight") }} as weight_squared
    from respondents
    where top_needs is not null
    group by community_id
),

chosen as (
    select
        respondents.response_id,
        respondents.community_id,
        respondents.weight,
        needs.need_code,
        needs.category_code
    from respondents
    inner join needs
        on concat('|', respondents.top_needs, '|') like concat('%|', needs.need_code, '|%')
),

named as (
    select
        community_id,
        need_code,
        {{ exact_sum("weight") }} as weight
    from chosen
    group by community_id, need_code
),

-- whoever names two needs of a category names the category once
named_once as (
    select distinct
        response_id,
        community_id,
        weight,
        category_code
    from chosen
),

named_categories as (
    select
        community_id,
        category_code,
        {{ exact_sum("weight") }} as weight
    from named_once
    group by community_id, category_code
),

final as (
    select
        community_areas.area_level,
        community_areas.area_id,
        needs.need_code,
        needs.category_code,
        sum(coalesce(rated.respondents, 0)) as respondents,
        {{ exact_sum("rated.weight") }} as weight,
        {{ exact_sum("rated.weight_squared") }} as weight_squared,
        {{ exact_sum("rated.weight_score") }} as weight_score,
        {{ exact_sum("rated.weight_important") }} as weight_important,
        sum(coalesce(choosing.respondents, 0)) as choosing_respondents,
        {{ exact_sum("choosing.weight") }} as choosing_weight,
        {{ exact_sum("choosing.weight_squared") }} as choosing_weight_squared,
        {{ exact_sum("case when choosing.weight is not null then coalesce(named.weight, 0) end") }} as named_weight,
        {{ exact_sum(
            "case when choosing.weight is not null then coalesce(named_categories.weight, 0) end"
        ) }} as named_category_weight
    from community_areas
    cross join needs
    left join rated
        on rated.community_id = community_areas.community_id
            and rated.need_code = needs.need_code
    left join choosing
        on choosing.community_id = community_areas.community_id
    left join named
        on named.community_id = community_areas.community_id
            and named.need_code = needs.need_code
    left join named_categories
        on named_categories.community_id = community_areas.community_id
            and named_categories.category_code = needs.category_code
    group by community_areas.area_level, community_areas.area_id, needs.need_code, needs.category_code
)

select * from final
