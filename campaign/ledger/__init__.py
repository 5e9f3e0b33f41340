"""The ledger: who was called, and who may be. Promises that its answer is durable before any phone can ring."""
