{{ config(materialized='table') }}

with

respondents as (
    select * from {{ ref('int_survey_respondents') }}
),

said as (
    select * from {{ ref('int_survey_characteristics') }}
),

characteristics as (
    select * from {{ ref('survey_characteristics') }}
),

final as (
    select
        response_id,
        community_id,
        weight,
        'all' as group_code
    from respondents
    union all
    select
        said.response_id,
        said.community_id,
        said.weight,
        characteristics.group_code
    from said
    inner join characteristics
        on characteristics.characteristic = said.characteristic
            and characteristics.category = said.category
    where characteristics.group_code is not null
)

select * from final
