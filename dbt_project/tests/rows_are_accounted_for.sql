-- Rows in = accepted + quarantined + duplicates + out of scope, in every file.
with

final as (
    select * from {{ ref('row_ledger') }}
    where rows_in <> rows_accepted + rows_quarantined + rows_duplicate + rows_out_of_scope
)

select * from final
