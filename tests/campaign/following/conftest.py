"""Fixtures for following."""

from collections.abc import Iterator

import pytest

from tests.promises.processes import sqlite_without_threads


@pytest.fixture(autouse=True)
def _no_threads() -> Iterator[None]:
    """SQLite in the event loop itself: no change of threads for each of hundreds of statements."""
    with sqlite_without_threads():
        yield
