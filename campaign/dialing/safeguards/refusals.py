"""Calls that Hamsa did not plainly take: how many alike, and for how long, and when that is more than a passing thing.

Promises that nobody learns of one mistake from five thousand refused calls, and that when one POST after another ends
uncertain, a handful of people may have been rung in vain and not a whole list.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

from campaign.clock import Clock
from campaign.reporting import Stop
from campaign.rules import DialSettings
from campaign.wording import counted
from hamsa import NotPlaced, Refused, Uncertain

# Assumed: no credit is said by 402 or 403; a 200 or a 500 may say it too. Those two are uncertain answers, of which a
# handful stops a run, and a 403 stops it at once.
NO_CREDIT = 402
"""Whatever is called next would be refused as well: fewer of these are waited for than of other refusals."""


class Refusals:
    """What Hamsa has answered since it last took a call.

    Args:
        most_unanswered: No more POSTs than these are unanswered at once, however many Hamsa has taken: behind more, the
            questions how calls went would wait for a connection, and the POSTs themselves until they give up.
    """

    def __init__(self, settings: DialSettings, *, clock: Clock, most_unanswered: int) -> None:
        self._settings = settings
        self._most_unanswered = most_unanswered
        self._clock = clock
        self._alike = 0
        self._last: str | None = None
        self._uncertain = 0
        self._remembered = False
        self._taken = 0
        self._unanswered = 0
        self._answered = asyncio.Event()
        self._busy_since: datetime | None = None

    def remember(self, uncertain: int) -> None:
        """So many POSTs before this run ended uncertain, one after the other: one call goes first, and may be the last.

        A run that is repeated by a schedule does not try a handful of people again each time.
        """
        self._uncertain = min(uncertain, self._settings.stop_after_uncertain - 1)
        self._remembered = True

    @asynccontextmanager
    async def unanswered(self) -> AsyncIterator[None]:
        """Around a claim and its POST: few at once until Hamsa takes calls, and after an uncertain answer again.

        So what one POST would have shown is not learned from as many as there are lines.
        """
        while self._unanswered >= self._at_once():
            self._answered.clear()
            await self._answered.wait()
        self._unanswered += 1
        try:
            yield
        finally:
            self._unanswered -= 1
            self._answered.set()

    def _at_once(self) -> int:
        taken = max(1, self._settings.stop_after_uncertain - self._uncertain) + self._taken
        return min(taken, self._most_unanswered)

    def accepted(self) -> None:
        """Hamsa took a call: the counts start over."""
        self._alike = 0
        self._uncertain = 0
        self._remembered = False
        self._taken += 1
        self._busy_since = None

    def refused(self, error: Refused) -> Stop | None:
        """Hamsa said no to a call; the reason to stop if it said so in the same way too often in a row."""
        key = error.message_key or str(error.status_code)
        self._alike = self._alike + 1 if key == self._last else 1
        self._last = key
        most = self._settings.stop_after_same_refusals
        if error.status_code == NO_CREDIT:
            most = min(most, self._settings.stop_after_uncertain)
        if self._alike < most:
            return None
        said = str(error).rstrip(".")
        calls = counted(self._alike, "call", "calls in a row for the same reason")
        message = f"Hamsa refused {calls}: {said}. Fix it and run again."
        return Stop("refusals", message, failed=True)

    def uncertain(self, error: Uncertain) -> Stop | None:
        """Nobody knows whether a phone rang; the reason to stop if that was so too often in a row."""
        self._uncertain += 1
        self._taken = 0
        if self._uncertain < self._settings.stop_after_uncertain:
            return None
        said = str(error).rstrip(".")
        since = ", those of earlier runs included" if self._remembered else ""
        calls = counted(self._uncertain, "call is", "calls in a row are")
        message = (
            f"{calls} uncertain{since}: nobody knows whether a phone rang, and no more calls are made. The last "
            f"answer: {said}. Find out what is wrong at Hamsa or on the way there, then run again: what is uncertain "
            "is settled first."
        )
        return Stop("uncertain", message, failed=True)

    def may_wait(self, error: NotPlaced) -> bool:
        """Whether a 429 is still flow control, rather than a reason to give the task back to its retries."""
        now = self._clock.now()
        if self._busy_since is None:
            self._busy_since = now
        waits = (now - self._busy_since).total_seconds() + (error.retry_after or 0.0)
        return waits <= self._settings.longest_refusal_seconds
