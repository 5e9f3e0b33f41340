"""Waiting for room below a limit: of all who wait, one asks the ledger again, for whoever has waited longest."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from campaign.clock import Clock

ASK_AGAIN_SECONDS = 5.0
"""How soon the ledger is asked again though no call of this run has ended: those of other runs may have."""


class LimitQueue:
    """Those who wait for a limit, in the order in which they came."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._turn = asyncio.Lock()
        self._changed = asyncio.Event()
        self._closed = False

    @property
    def is_empty(self) -> bool:
        """Whether nobody waits."""
        return not self._turn.locked()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for one's turn, and have it until the end of the block."""
        async with self._turn:
            yield

    def about_to_ask(self) -> None:
        """What changes from now on may change the answer."""
        self._changed.clear()

    async def change(self) -> None:
        """Wait until a call of this run has ended since `about_to_ask`, or some seconds have passed."""
        if self._closed:
            return
        waits = [
            asyncio.ensure_future(self._changed.wait()),
            asyncio.ensure_future(self._clock.sleep(ASK_AGAIN_SECONDS)),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    def wake(self) -> None:
        """A call has ended, or was not made after all."""
        self._changed.set()

    def close(self) -> None:
        """The run stops: nobody waits here any more."""
        self._closed = True
        self._changed.set()
