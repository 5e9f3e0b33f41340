"""What the ledger keeps besides attempts: approvals, accounts, opt-outs, refusals."""
