"""The last look at whether somebody is still to be called: it holds a line no longer than an answer usually takes.

Promises that an answer is given to the claim while it is fresh, and that whoever waits for a slow one holds neither a
line nor a slot that others could use.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import TypeAlias

from campaign.clock import Clock
from campaign.intake import Recipient
from campaign.rules import Never, NotNow

Recheck: TypeAlias = Callable[[Recipient], Awaitable[Never | NotNow | None]]

QUICK_SECONDS = 1.0
"""How long an answer is waited for with a line in hand."""

FRESH = timedelta(seconds=5)
"""How old an answer may be that was waited for without a line."""


class SlowAnswer(Exception):
    """The answer takes its time: give the line back, wait for `LastLook.answered`, and come again with a line."""


class LastLook:
    """What is asked about one recipient before the claim.

    Args:
        recheck: Gives the reason if the recipient is not to be called any more; nothing is asked if None.
    """

    def __init__(self, recheck: Recheck | None, recipient: Recipient, clock: Clock) -> None:
        self._recheck = recheck
        self._recipient = recipient
        self._clock = clock
        self._asking: asyncio.Task[Never | NotNow | None] | None = None
        self._answered_at: datetime | None = None
        self._was_slow = False

    async def verdict(self) -> Never | NotNow | None:
        """The answer, with a line in hand.

        Raises:
            SlowAnswer: It is not there yet. Only the first time: then it is waited for, however long it takes.
            CampaignError: Nobody can know.
        """
        if self._recheck is None:
            return None
        if self._asking is None or self._is_stale():
            self._asking = asyncio.create_task(self._ask(self._recheck))
        asking = self._asking
        if not self._was_slow and not await self._is_quick(asking):
            self._was_slow = True
            raise SlowAnswer
        self._asking = None  # before the next claim it is asked again
        try:
            return await asking
        finally:
            asking.cancel()

    async def answered(self) -> None:
        """Wait for the answer, whatever it is."""
        if self._asking is not None:
            await asyncio.wait([self._asking])

    async def close(self) -> None:
        """Ask no longer."""
        asking, self._asking = self._asking, None
        if asking is not None:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)

    async def _ask(self, recheck: Recheck) -> Never | NotNow | None:
        try:
            return await recheck(self._recipient)
        finally:
            self._answered_at = self._clock.now()

    async def _is_quick(self, asking: "asyncio.Task[Never | NotNow | None]") -> bool:
        patience = asyncio.ensure_future(self._clock.sleep(QUICK_SECONDS))
        try:
            await asyncio.wait([asking, patience], return_when=asyncio.FIRST_COMPLETED)
        finally:
            patience.cancel()
        return asking.done()

    def _is_stale(self) -> bool:
        done = self._asking is not None and self._asking.done() and self._answered_at is not None
        return done and self._answered_at is not None and self._clock.now() - self._answered_at > FRESH
