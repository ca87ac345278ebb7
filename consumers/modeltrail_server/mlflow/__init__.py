"""The import of an MLflow: reading it (source), its entities as events (events), what was told already (ledger)."""
