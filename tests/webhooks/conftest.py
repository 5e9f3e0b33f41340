"""What tests of the receiver share: a ledger, claims in it, and receivers as processes."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.servers.process_reaper import ProcessReaper
from tests.webhooks import running


@pytest.fixture
def ledger_url(tmp_path: Path) -> str:
    """Where an empty SQLite ledger is made."""
    return f"sqlite:///{tmp_path / 'calls.db'}"


@pytest.fixture
def start_receiver(
    reaper: ProcessReaper, tmp_path: Path, ledger_url: str
) -> Iterator[Callable[..., running.RunningReceiver]]:
    """Starts receivers on the test's ledger and waits until they answer; takes what `running.start_receiver` takes."""
    with contextlib.ExitStack() as stack:

        def start(**options: Any) -> running.RunningReceiver:
            receiver = running.start_receiver(reaper, tmp_path, **{"ledger_url": ledger_url, **options})
            stack.callback(receiver.program.stop)
            return receiver

        yield start
