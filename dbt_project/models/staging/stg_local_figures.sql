with

source as (
    select * from {{ source('lake', 'local_figures') }}
),

known as (
    select
        *,
        row_number() over (partition by unit_level, unit_id, figure_code order by as_of desc) as recency
    from source
    where as_of < cast('{{ var("period_end") }}' as timestamp)
),

final as (
    select
        unit_level,
        unit_id,
        figure_code,
        value,
        as_of
    from known
    where recency = 1
)

select * from final
