{{ config(materialized='table') }}

with

responses as (
    select * from {{ ref('stg_survey_responses') }}
),

final as (
    {{ unpivot(
        relation='responses',
        keys=['response_id', 'community_id', 'age_band', 'has_child_0_12'],
        columns=rating_columns(),
        name_to='question_code',
        value_to='score'
    ) }}
)

select * from final
