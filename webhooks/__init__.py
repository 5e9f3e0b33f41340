"""The receiver for Hamsa's events, `python -m webhooks`: verifies and records them, and emits Prefect's events.

Promises that an event it answered with 200 is on the disk, that each fact is recorded and emitted once however
often and in whatever order events come, and that neither a ledger nor a Prefect server that is away makes Hamsa wait.
How to deploy it is described in docs/how-to/webhooks.md.
"""
