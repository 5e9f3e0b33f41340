"""The canary: the first calls of a run, made alone, and whether enough of them succeeded for the others to be made.

Promises that a call of which nobody knows whether it rang, or which has no end, is no success: the others wait for it,
and are not called if too few of the first ones succeeded.
"""

import asyncio
from collections import Counter
from typing import Literal, TypeAlias

from campaign.reporting import Stop
from campaign.wording import counted

CallFate: TypeAlias = Literal["well", "failed", "refused", "uncertain", "unended"]
"""How a call went: well, failed, Hamsa refused it, nobody knows whether the phone rang, or this run will
not learn its end."""

_IN_WORDS: dict[CallFate, str] = {
    "failed": "failed",
    "refused": "refused by Hamsa",
    "uncertain": "uncertain, since nobody knows whether the phone rang",
    "unended": "without an end that this run could learn",
}


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
        self._ends: Counter[CallFate] = Counter()
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

    def report(self, fate: CallFate | None) -> None:
        """How a call went that was admitted; None if it was not made."""
        self._open -= 1
        if fate is not None:
            self._ends[fate] += 1
        self._changed.set()

    def close(self) -> None:
        """The run stops: nobody waits here any more."""
        self._over = True
        self._changed.set()

    def _verdict(self) -> Stop | Literal["wait"] | None:
        if self._over or self._calls is None:
            return None
        well, known = self._ends["well"], self._ends.total()
        bad = known - well
        if bad / self._calls > self._max_failed_share:
            return self._stop(bad)
        if known + self._open < self._calls:
            return None
        enough = well > 0 and (self._calls - well) / self._calls <= self._max_failed_share
        if not enough and known < self._calls:
            return "wait"
        self._over = True
        return None

    def _stop(self, bad: int) -> Stop:
        how = "; ".join(f"{self._ends[fate]} {words}" for fate, words in _IN_WORDS.items() if self._ends[fate])
        first = counted(self._calls or 0, "call")
        message = (
            f"{bad} of the canary's {first} did not succeed ({how}), and no more than a share of "
            f"{self._max_failed_share:g} may (canary_max_failed_share): the rest were not called. Look at the errors, "
            "fix the cause and run again."
        )
        return Stop("canary", message, failed=True)
