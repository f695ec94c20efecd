-- The rating columns that staging reads are exactly the questions of the standard.
with

asked as (
    {%- for column in rating_columns() %}
        select '{{ column }}' as question_code
                {{ 'union all' if not loop.last }}
    {%- endfor %}
),

final as (
    select
        asked.question_code as asked,
        questions.question_code as in_standard
    from asked
    full outer join {{ ref('survey_questions') }} as questions
        on asked.question_code = questions.question_code
    where asked.question_code is null or questions.question_code is null
)

select * from final
