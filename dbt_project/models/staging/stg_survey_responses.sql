with

source as (
    select * from {{ source('lake', 'survey_responses') }}
),

final as (
    select
        response_id,
        community_id,
        answered_at,
        channel,
        age_band,
        sex,
        tenure,
        has_child_0_12,
        household_size,
        top_needs,
        has_reported,
    {%- for column in rating_columns() %}
        {{ column }}{{ ',' if not loop.last }}
    {%- endfor %}
    from source
)

select * from final
