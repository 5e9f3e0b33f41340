"""Empty ledgers as files to copy: to make the tables takes longer than many a test."""

import asyncio
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

from campaign.ledger.ledger import Ledger


def lay(path: Path) -> None:
    """Put an empty SQLite ledger at `path`, as a first opening leaves it behind."""
    path.write_bytes(_contents())


@cache
def _contents() -> bytes:
    with tempfile.TemporaryDirectory(prefix="hamsa-ledger-") as folder, ThreadPoolExecutor(1) as thread:
        path = Path(folder) / "calls.db"
        # In a thread of its own, since an event loop may run in this one.
        thread.submit(asyncio.run, _make(path)).result()
        return path.read_bytes()


async def _make(path: Path) -> None:
    async with Ledger(f"sqlite:///{path}"):
        pass
