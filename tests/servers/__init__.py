"""The programs that tests run against, real ones: PostgreSQL, Prefect's server and worker, the sandbox.

Promises that each listens on loopback only, that its log is there to read when it fails, and that none outlives whoever
started it, even when that is killed.
"""
