with

source as (
    select * from {{ source('statistics', 'survey_weights') }}
),

final as (
    select
        response_id,
        weight,
        weighting
    from source
)

select * from final
