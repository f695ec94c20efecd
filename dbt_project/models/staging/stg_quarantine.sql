with

source as (
    select * from {{ source('lake', 'quarantine') }}
),

final as (
    select
        feed,
        table_name,
        reason_code,
        cast(rows as bigint) as rows_quarantined
    from source
)

select * from final
