"""What tests of the door share: a ledger, claims in it, and doors as processes."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.servers.leash import Leash
from tests.webhooks import running


@pytest.fixture
def ledger_url(tmp_path: Path) -> str:
    """Where an empty SQLite ledger is made."""
    return f"sqlite:///{tmp_path / 'calls.db'}"


@pytest.fixture
def start_door(leash: Leash, tmp_path: Path, ledger_url: str) -> Iterator[Callable[..., running.RunningDoor]]:
    """Starts doors on the test's ledger and waits until they answer; takes what `running.start_door` takes."""
    with contextlib.ExitStack() as stack:

        def start(**options: Any) -> running.RunningDoor:
            door = running.start_door(leash, tmp_path, **{"ledger_url": ledger_url, **options})
            stack.callback(door.program.stop)
            return door

        yield start
