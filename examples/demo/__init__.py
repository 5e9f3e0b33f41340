"""The demo: `make demo` calls 28 of 43 overdue customers of a sandbox; nothing that it starts leaves this machine."""
