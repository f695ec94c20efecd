{{ config(materialized='table') }}

with

responses as (
    select * from {{ ref('stg_survey_responses') }}
),

respondents as (
    select * from {{ ref('int_survey_respondents') }}
),

weighted as (
    select
        responses.*,
        respondents.weight,
        respondents.weighting
    from responses
    inner join respondents
        on respondents.response_id = responses.response_id
),

final as (
    {{ unpivot(
        relation='weighted',
        keys=['response_id', 'community_id', 'age_band', 'has_child_0_12', 'weight', 'weighting'],
        columns=rating_columns(),
        name_to='question_code',
        value_to='score'
    ) }}
)

select * from final
