"""Fixtures for flows."""

from tests.flows.world import world

__all__ = ["world"]
