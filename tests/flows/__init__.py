"""Flows, on a real Prefect server."""
