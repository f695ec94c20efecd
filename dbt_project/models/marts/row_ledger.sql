with

final as (
    select
        feed,
        table_name,
        half_year,
        delivery,
        source_file,
        rows_in,
        rows_accepted,
        rows_quarantined,
        rows_duplicate,
        rows_out_of_scope
    from {{ ref('stg_row_ledger') }}
)

select * from final
order by feed, table_name, half_year, delivery, source_file
