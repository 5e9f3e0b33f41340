"""Fixtures for the examples."""

from tests.flows.world import world

__all__ = ["world"]
