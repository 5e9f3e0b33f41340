"""Calling people: recipients, rules, the ledger, the dialer, the report. Knows nothing of Prefect."""
