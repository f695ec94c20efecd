with

final as (
    select
        feed,
        table_name,
        reason_code,
        rows_quarantined as rows
    from {{ ref('stg_quarantine') }}
)

select * from final
order by feed, table_name, reason_code
