with

source as (
    select * from {{ source('lake', 'survey_responses') }}
),

-- an answer that was edited comes again, and the one received later counts
received as (
    select
        *,
        row_number() over (partition by response_id order by received_order desc) as receipt_rank
    from source
    where
        answered_at >= {{ utc_var('period_start') }}
        and answered_at < {{ utc_var('period_end') }}
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
    from received
    where receipt_rank = 1
)

select * from final
