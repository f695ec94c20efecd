{{ config(materialized='table') }}

with

responses as (
    select * from {{ ref('stg_survey_responses') }}
),

weights as (
    select * from {{ ref('stg_survey_weights') }}
),

-- without weights everybody stands for himself
final as (
    select
        responses.response_id,
        responses.community_id,
        responses.channel,
        responses.age_band,
        responses.sex,
        responses.tenure,
        case
            when responses.has_child_0_12 then 'yes'
            when not responses.has_child_0_12 then 'no'
        end as has_child_0_12,
        case
            when responses.household_size >= 5 then '5+'
            when responses.household_size >= 1 then cast(responses.household_size as varchar)
        end as household_size,
        responses.top_needs,
        coalesce(weights.weight, 1) as weight,
        coalesce(weights.weighting, 'none') as weighting
    from responses
    left join weights
        on weights.response_id = responses.response_id
)

select * from final
