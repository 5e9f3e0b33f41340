"""Calling people keeps its promises without Prefect."""
