"""`airflow esimgo …`: look at orders, decide about them, check and export the ledger."""
