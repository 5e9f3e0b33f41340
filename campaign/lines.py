"""Lines: how many calls may be in progress, how fast they start, and when everybody has to wait.

Promises that a free line goes at once to whoever waited longest, that after a 429 nobody dials before the time Hamsa
named, and that the number of lines settles at what Hamsa takes, because Hamsa publishes no limit.
"""

import asyncio
import logging
from collections import deque
from datetime import datetime, timedelta

from campaign.clock import Clock

logger = logging.getLogger(__name__)

DEFAULT_PAUSE_SECONDS = 5.0
"""How long a 429 without `Retry-After` pauses all lines at first; it doubles while refusals go on."""

LONGEST_PAUSE_SECONDS = 300.0
"""No single pause is longer, whatever Hamsa asks: after it, one careful try is made."""


class LinesClosed(Exception):
    """The run stops: no line is given out any more."""


class Lines:
    """The lines of one run.

    Args:
        limit: The most calls in progress at once.
        clock: Measures pauses and the pace.
        calls_per_minute: The most calls started in a minute; no bound if None.
    """

    def __init__(self, limit: int, *, clock: Clock, calls_per_minute: float | None = None) -> None:
        self.limit = limit
        self.in_use = 0
        self.most_in_use = 0
        self._clock = clock
        self._gap = timedelta(minutes=1 / calls_per_minute) if calls_per_minute else timedelta()
        self._next_start: datetime | None = None
        self._working = float(limit)
        self._paused_until: datetime | None = None
        self._refusals = 0
        self._full_at = float(limit)
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._alarm: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def working(self) -> int:
        """How many lines are used at present: `limit`, or fewer after refusals for capacity."""
        return max(1, int(self._working))

    @property
    def waiting(self) -> int:
        """How many calls wait for a line."""
        return len(self._waiting)

    @property
    def paused_until(self) -> datetime | None:
        """When dialing may go on, if all lines are paused."""
        if self._paused_until is not None and self._paused_until > self._clock.now():
            return self._paused_until
        return None

    async def acquire(self, *, first: bool = False) -> None:
        """Wait for a line, in the order of asking.

        Args:
            first: Go before everybody else: for a call that had its line and was sent back by a 429.

        Raises:
            LinesClosed: The run stops.
        """
        if self._closed:
            raise LinesClosed
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if first:
            self._waiting.appendleft(turn)
        else:
            self._waiting.append(turn)
        self._hand_out()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.release()
            elif turn in self._waiting:
                self._waiting.remove(turn)
            raise

    def take(self) -> None:
        """Count a line for a call that is in progress already, whether or not one is free."""
        self.in_use += 1
        self.most_in_use = max(self.most_in_use, self.in_use)

    def release(self) -> None:
        """A call ended: its line goes to whoever is next."""
        self.in_use -= 1
        self._hand_out()

    def accepted(self) -> None:
        """Hamsa took a call: lines that were given up come back, slowly near the number at which it refused."""
        self._refusals = 0
        if self._working < self.limit:
            step = 1.0 if self._working + 1 < self._full_at else 1 / self._working
            self._working = min(float(self.limit), self._working + step)

    def refused(self, retry_after: float | None) -> None:
        """Hamsa answered 429: pause all lines, and go on with fewer.

        Call this before the line of the refused call is released.

        Args:
            retry_after: Seconds Hamsa asked for, if it did.
        """
        now = self._clock.now()
        if self.paused_until is None:
            # Refusals that were under way together count as one: the first of them has paused the lines.
            others = float(self.in_use - 1)
            self._full_at = max(1.0, others + 1)
            self._working = max(1.0, min(self._working * 0.8, max(others, self._working * 0.5)))
            self._refusals += 1
        pause = retry_after if retry_after is not None else DEFAULT_PAUSE_SECONDS * 2.0 ** (self._refusals - 1)
        seconds = min(max(pause, 0.0), LONGEST_PAUSE_SECONDS)
        if self._paused_until is None or now + timedelta(seconds=seconds) > self._paused_until:
            logger.warning(
                "Hamsa asks for a pause: all lines wait %.0f s, then go on with %d of %d lines",
                seconds,
                self.working,
                self.limit,
            )
        self.pause(seconds)

    def pause(self, seconds: float) -> None:
        """Let nobody dial for a while: there is no connection, or somebody asked for quiet."""
        until = self._clock.now() + timedelta(seconds=seconds)
        if self._paused_until is None or until > self._paused_until:
            self._paused_until = until
        self._wake_at(self._paused_until)

    def close(self) -> None:
        """Give out no more lines, and send away everybody who waits."""
        self._closed = True
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_exception(LinesClosed())
        if self._alarm is not None:
            self._alarm.cancel()

    def _hand_out(self) -> None:
        now = self._clock.now()
        while self._waiting and self.in_use < self.working:
            for gate in (self._paused_until, self._next_start):
                if gate is not None and now < gate:
                    self._wake_at(gate)
                    return
            turn = self._waiting.popleft()
            if turn.done():
                continue
            self.take()
            if self._gap:
                self._next_start = max(now, self._next_start or now) + self._gap
            turn.set_result(None)

    def _wake_at(self, moment: datetime) -> None:
        if self._alarm is not None and not self._alarm.done():
            self._alarm.cancel()
        self._alarm = asyncio.create_task(self._ring(moment), name="lines-alarm")

    async def _ring(self, moment: datetime) -> None:
        while (left := (moment - self._clock.now()).total_seconds()) > 0:
            await self._clock.sleep(left)
        self._alarm = None
        self._hand_out()
