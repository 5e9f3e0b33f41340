"""The demo: `make demo` calls 28 of 43 overdue customers of a sandbox, `make ui` shows in Prefect what became of it.

It needs no account and no network: all that it starts may reach this machine only. What it makes stays in `.demo/`, so
that a second `make demo` finds everybody called and calls nobody. What it starts ends with it, however it ends.
"""
