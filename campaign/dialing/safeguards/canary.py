"""The canary: the first calls of a run, made alone, and whether enough of them succeeded for the others to be made.

Promises that a call of which nobody knows whether it rang, or which has no end, is no success: the others wait for it,
and are not called if too few of the first ones succeeded.
"""

import asyncio
from typing import Literal

from campaign.reporting import Stop


class Canary:
    """Counts a run's calls while its canary is not over.

    Args:
        calls: How many calls are made alone; None for no canary.
        max_failed_share: The share of them that may fail.
    """

    def __init__(self, calls: int | None, max_failed_share: float) -> None:
        self._calls = calls
        self._max_failed_share = max_failed_share
        self._open = 0
        self._well = 0
        self._failed = 0
        self._refused = 0
        self._uncertain = 0
        self._unended = 0
        self._over = calls is None
        self._changed = asyncio.Event()

    async def admit(self) -> Stop | None:
        """Wait until one more call may be made; the reason if none ever may. An admitted call is reported once."""
        while True:
            verdict = self._verdict()
            if verdict is None:
                self._open += 1
                return None
            if isinstance(verdict, Stop):
                return verdict
            self._changed.clear()
            await self._changed.wait()

    def withdrawn(self) -> None:
        """It was not made."""
        self._report()

    def ended(self, *, failed: bool) -> None:
        """It is over."""
        self._failed += failed
        self._well += not failed
        self._report()

    def refused(self) -> None:
        """Hamsa said no."""
        self._refused += 1
        self._report()

    def uncertain(self) -> None:
        """Nobody knows whether the phone rang."""
        self._uncertain += 1
        self._report()

    def unended(self) -> None:
        """This run will not learn its end."""
        self._unended += 1
        self._report()

    def close(self) -> None:
        """The run stops: nobody waits here any more."""
        self._over = True
        self._changed.set()

    def _report(self) -> None:
        self._open -= 1
        self._changed.set()

    def _verdict(self) -> Stop | Literal["wait"] | None:
        if self._over or self._calls is None:
            return None
        bad = self._failed + self._refused + self._uncertain + self._unended
        known = self._well + bad
        if bad / self._calls > self._max_failed_share:
            return self._stop(bad)
        if known + self._open < self._calls:
            return None
        enough = self._well > 0 and (self._calls - self._well) / self._calls <= self._max_failed_share
        if not enough and known < self._calls:
            return "wait"
        self._over = True
        return None

    def _stop(self, bad: int) -> Stop:
        counts = {
            "failed": self._failed,
            "refused by Hamsa": self._refused,
            "uncertain, since nobody knows whether the phone rang": self._uncertain,
            "without an end that this run could learn": self._unended,
        }
        how = "; ".join(f"{count} {words}" for words, count in counts.items() if count)
        message = (
            f"{bad} of the first {self._calls} calls did not succeed ({how}), and no more than a share of "
            f"{self._max_failed_share:g} may (canary_max_failed_share): the rest were not called. Look at their "
            "errors, fix the cause and run again."
        )
        return Stop("canary", message, failed=True)
