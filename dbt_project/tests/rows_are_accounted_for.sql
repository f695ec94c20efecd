-- Rows in = accepted + quarantined + duplicates, in every file.
with

final as (
    select * from {{ ref('row_ledger') }}
    where rows_in <> rows_accepted + rows_quarantined + rows_duplicate
)

select * from final
