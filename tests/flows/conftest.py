"""Fixtures for flows."""

from tests.flows.world import shared_sandbox, world

__all__ = ["shared_sandbox", "world"]
