"""The lake: landing, typed parquet, manifests and the row ledger."""
