with

source as (
    select * from {{ source('lake', 'ledger') }}
),

final as (
    select
        feed,
        table_name,
        half_year,
        delivery,
        source_file,
        cast(rows_in as bigint) as rows_in,
        cast(rows_accepted as bigint) as rows_accepted,
        cast(rows_quarantined as bigint) as rows_quarantined,
        cast(rows_duplicate as bigint) as rows_duplicate,
        cast(rows_out_of_scope as bigint) as rows_out_of_scope
    from source
)

select * from final
