"""What a run may still spend: calls, money, and the patience with its canary.

Promises that calls in the air count before they are priced, so that many lines together do not overdraw.
"""

import asyncio
from typing import Literal

from campaign.dialing.settings import DialSettings
from campaign.reporting.stops import Stop


class Budget:
    """How many calls and how much money a run may still spend, and whether its canary came back."""

    def __init__(self, settings: DialSettings) -> None:
        self.spent = 0.0
        self._settings = settings
        self._max_call_cost = 0.0
        self._admitted = 0
        self._placed = 0
        self._refused = 0
        self._ended = 0
        self._failed = 0
        self._canary_over = settings.canary is None
        self._closed = False
        self._before = 0
        self._followed = 0
        self._most = settings.max_calls
        self._whose = "it may make (max_calls)"
        self._changed = asyncio.Event()

    def begin(self, *, spent: float, max_call_cost: float, made: int) -> None:
        """What is known before the first call.

        Args:
            spent: What the campaign has cost so far.
            max_call_cost: What its max_call_cost call cost.
            made: Calls that this very run made before it was suspended, or tried again.
        """
        self.spent, self._max_call_cost, self._before = spent, max_call_cost, made

    def allow(self, most: int, whose: str) -> None:
        """Let the run make no more than so many calls; `whose` ends the sentence "This run made the … calls"."""
        if self._most is None or most < self._most:
            self._most, self._whose = most, whose

    async def admit(self) -> Stop | None:
        """Wait until one more call is allowed; the reason if none ever will be."""
        while True:
            verdict = self._verdict()
            if verdict is None:
                self._admitted += 1
                return None
            if isinstance(verdict, Stop):
                return verdict
            self._changed.clear()
            await self._changed.wait()

    def leave(self, *, placed: bool) -> None:
        """An admitted call is out of the air, or it was never made."""
        self._admitted -= 1
        if placed:
            self._placed += 1
        self.wake()

    def follows(self) -> None:
        """A call of an earlier run is in the air: it costs money, and says nothing of this run's canary."""
        self._followed += 1

    def follows_no_more(self, cost: float | None) -> None:
        """It is over, or given up."""
        self._followed -= 1
        self._priced(cost)
        self.wake()

    def ended(self, *, failed: bool, cost: float | None = None) -> None:
        """A call is over and priced."""
        self._ended += 1
        self._failed += failed
        self._priced(cost)
        self.wake()

    def refused(self) -> None:
        """Hamsa said no: that costs nothing, but the canary did not sing."""
        self._refused += 1
        self.wake()

    def unknown(self) -> None:
        """A call whose end this run will not learn: it is taken to cost what the dearest one did."""
        self._ended += 1
        self.spent += self._max_call_cost
        self.wake()

    def wake(self) -> None:
        """Let those who wait for admission look again."""
        self._changed.set()

    def close(self) -> None:
        """The run stops: nobody waits here any more."""
        self._closed = True
        self.wake()

    def _priced(self, cost: float | None) -> None:
        if cost is not None:
            self.spent += cost
            self._max_call_cost = max(self._max_call_cost, cost)

    def _too_many(self) -> Stop | Literal["wait"] | None:
        if self._most is None or self._before + self._placed + self._admitted < self._most:
            return None
        if self._before + self._placed < self._most:
            return "wait"
        return Stop(
            "max_calls", f"This run made the {self._most} calls {self._whose}. Run again to go on.", failed=False
        )

    def _verdict(self) -> Stop | Literal["wait"] | None:
        if self._closed:
            return None
        settings = self._settings
        in_air = self._admitted + self._placed - self._ended + self._followed
        if (verdict := self._too_many()) is not None:
            return verdict
        if settings.max_cost is not None and self.spent + (in_air + 1) * self._max_call_cost > settings.max_cost:
            if in_air:
                return "wait"
            message = (
                f"The campaign has cost {self.spent:.2f}, and another call could bring it over {settings.max_cost:.2f} "
                "(max_cost). Raise max_cost to go on."
            )
            return Stop("max_cost", message, failed=False)
        if not self._canary_over and settings.canary is not None:
            if self._placed + self._refused + self._admitted < settings.canary:
                return None
            known = self._ended + self._refused
            if known < settings.canary:
                return "wait"
            bad = self._failed + self._refused
            if bad / known > settings.canary_max_failed_share:
                message = (
                    f"{bad} of the first {known} calls failed or were refused: the rest were not called. "
                    "Look at their errors, mend the cause and run again."
                )
                return Stop("canary", message, failed=True)
            self._canary_over = True
        return None
