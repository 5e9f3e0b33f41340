"""Notices that Prefect's server is gone: what is done then would be seen by nobody, so no more calls are made."""

import asyncio
import logging
import time
from typing import ClassVar

logger = logging.getLogger(__name__)


class LossOfPrefect:
    """Notices when Prefect's server is gone: what is done then would be seen by nobody.

    Args:
        patience: Failed updates in a row that are taken for a hiccup.
    """

    _ended: ClassVar[tuple[float, str] | None] = None
    """When a run of this process ended without its server, by the monotonic clock, and how it said so."""

    @classmethod
    def run_ended(cls, words: str) -> None:
        """A run ended because the server is gone, and Prefect is about to report it to that server."""
        cls._ended = time.monotonic(), words

    @classmethod
    def run_ended_with(cls, *, seconds_ago: float) -> str | None:
        """How a run ended without its server, once that is so many seconds ago."""
        if cls._ended is None or time.monotonic() - cls._ended[0] < seconds_ago:
            return None
        return cls._ended[1]

    def __init__(self, patience: int = 5) -> None:
        self._patience = patience
        self._failures = 0
        self._gone = asyncio.Event()
        self._words = ""

    async def lost(self) -> str:
        """Wait until the server is lost, and say so."""
        await self._gone.wait()
        return self._words

    @property
    def is_lost(self) -> bool:
        """Whether it is taken for gone. It stays so until the run ends: the next one starts fresh."""
        return self._gone.is_set()

    @property
    def failing(self) -> bool:
        """Whether the last update failed."""
        return self._failures > 0

    def ok(self) -> None:
        """An update went through."""
        self._failures = 0

    def failed(self, error: Exception) -> None:
        """An update failed."""
        self._failures += 1
        logger.warning("Prefect's server did not take an update (%s of %s): %r", self._failures, self._patience, error)
        if self._failures >= self._patience:
            self._lose(f"Prefect's server has not answered {self._failures} times in a row")

    def give_up(self, error: Exception) -> None:
        """It did not take a record, after all that Prefect's own client tried."""
        self._lose(f"Prefect's server has not answered as it should ({error!r})")

    def _lose(self, words: str) -> None:
        self._words = self._words or words
        self._gone.set()
