-- The wide marts have a column for each dimension of the standard.
with

columns_written as (
    {%- for dimension_code in score_columns() %}
    select '{{ dimension_code }}' as dimension_code
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

final as (
    select
        columns_written.dimension_code as written,
        dimensions.dimension_code as in_standard
    from columns_written
    full outer join {{ ref('dimensions') }} as dimensions
        on dimensions.dimension_code = columns_written.dimension_code
    where columns_written.dimension_code is null or dimensions.dimension_code is null
)

select * from final
