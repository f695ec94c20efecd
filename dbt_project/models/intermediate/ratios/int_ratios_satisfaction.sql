with

communities as (
    select * from {{ ref('stg_communities') }}
),

answers as (
    select * from {{ ref('int_survey_answers') }}
),

survey as (
    select count(*) > 0 as has_responses
    from {{ ref('stg_survey_responses') }}
),

indicators as (
    select * from {{ ref('indicators') }}
    where survey_question is not null
),

groups as (
    select * from {{ ref('int_community_groups') }}
),

clocks as (
    select * from {{ ref('int_repair_clocks') }}
),

feed as (
    select * from {{ ref('int_repair_feed') }}
),

answer_counts as (
    select
        answers.community_id,
        indicators.indicator_code,
        count(*) as respondents,
        {{ exact_sum("answers.weight") }} as weight,
        {{ exact_sum(
            "case when answers.score >= " ~ scoring('satisfied_score_min') ~ " then answers.weight else 0 end"
        ) }} as weight_satisfied
    from answers
    inner join indicators
        on answers.question_code = indicators.survey_question
    where
        indicators.respondents = 'all'
        or (indicators.respondents = 'children_0_12' and answers.has_child_0_12)
        or (indicators.respondents = 'aged_60_plus' and answers.age_band = '60+')
    group by answers.community_id, indicators.indicator_code
),

-- a weighted share of the people of the target group, so that the pooled share is weighted by population; whether
-- respondents are enough is judged where they are pooled: few in a community may be many in its county
survey_ratios as (
    select
        communities.community_id,
        indicators.indicator_code,
        groups.population * (answer_counts.weight_satisfied / answer_counts.weight) as numerator,
        groups.population as denominator,
        coalesce(answer_counts.respondents, 0) as n_observations,
        case
            when not survey.has_responses then 'feed_missing'
            when answer_counts.respondents is null then 'sample_below_minimum'
            when groups.population is null then 'group_unknown'
        end as missing_reason
    from communities
    cross join indicators
    cross join survey
    left join groups
        on
            communities.community_id = groups.community_id
            and indicators.target_group = groups.group_code
    left join answer_counts
        on
            communities.community_id = answer_counts.community_id
            and indicators.indicator_code = answer_counts.indicator_code
),

rating_counts as (
    select
        community_id,
        count(is_satisfied) as rated,
        {{ count_where("is_satisfied") }} as satisfied
    from clocks
    group by community_id
),

rating_ratios as (
    select
        communities.community_id,
        'CNV-6' as indicator_code,
        cast(rating_counts.satisfied as double) as numerator,
        cast(rating_counts.rated as double) as denominator,
        coalesce(rating_counts.rated, 0) as n_observations,
        case
            when not feed.has_ratings then 'feed_missing'
        end as missing_reason
    from communities
    cross join feed
    left join rating_counts
        on communities.community_id = rating_counts.community_id
),

final as (
    select * from survey_ratios
    union all
    select * from rating_ratios
)

select * from final
