"""The steps of a campaign as Prefect tasks, and the two that people use in flows of their own."""

from tasks.create_call import create_call, wait_for_call

__all__ = ["create_call", "wait_for_call"]
