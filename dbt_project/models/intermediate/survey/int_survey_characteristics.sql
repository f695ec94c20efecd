with

respondents as (
    select * from {{ ref('int_survey_respondents') }}
),

final as (
    {%- for characteristic in ['age_band', 'sex', 'tenure', 'has_child_0_12', 'household_size'] %}
        select
            response_id,
            community_id,
            weight,
            weighting,
            '{{ characteristic }}' as characteristic,
            {{ characteristic }} as category
        from respondents
        where {{ characteristic }} is not null
        {{ 'union all' if not loop.last }}
    {%- endfor %}
)

select * from final
