with

source as (
    select * from {{ source('statistics', 'survey_margins') }}
),

final as (
    select
        county_id,
        characteristic,
        category,
        people,
        respondents,
        weighted
    from source
)

select * from final
