"""Lines: how many calls may be in progress, how fast they start, and when everybody has to wait.

Promises that a free line goes at once to whoever waited longest, that after a 429 nobody dials while the pause lasts
that Hamsa asked for, and that the number of lines settles at what Hamsa takes, because Hamsa publishes no limit.
"""

import asyncio
import itertools
import logging
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from campaign.clock import Clock
from campaign.wording import counted

logger = logging.getLogger(__name__)

DEFAULT_PAUSE_SECONDS = 5.0
"""How long a 429 without `Retry-After` pauses all lines at first; it doubles while refusals go on."""

SHORTEST_PAUSE_SECONDS = 1.0
"""No pause is shorter, whatever Hamsa asks: a `Retry-After: 0` must not become a storm."""

LONGEST_PAUSE_SECONDS = 300.0
"""No pause is longer, whatever Hamsa asks: after it, one careful try is made."""

FIRST_CAUTION = 4
"""How many calls must be taken, with all lines in use, before a line that was given up is tried again."""

MOST_CAUTION = 128
"""The same at most: it doubles each time that a line which came back was refused where lines were refused before."""


class LinesClosed(Exception):
    """The run stops: no line is given out any more."""


class Lines:
    """The lines of one run.

    Args:
        limit: The most calls in progress at once; 1 or more.
        clock: Measures pauses and the pace.
        calls_per_minute: The most calls started in a minute, above 0; no bound if None.

    Attributes:
        in_use: How many calls have a line.
        most_in_use: The most that ever had one at the same time.
    """

    def __init__(self, limit: int, *, clock: Clock, calls_per_minute: float | None = None) -> None:
        if limit < 1:
            raise ValueError(f"at least one line is needed, not {limit}")
        if calls_per_minute is not None and calls_per_minute <= 0:
            raise ValueError(f"calls per minute must be above 0, not {calls_per_minute}")
        self.limit = limit
        self.in_use = 0
        self.most_in_use = 0
        self._clock = clock
        self._gap = timedelta(minutes=1 / calls_per_minute) if calls_per_minute is not None else timedelta()
        self._next_start: datetime | None = None
        self._paused_until: datetime | None = None
        self._closed = False
        self._closing = asyncio.Event()
        self._last_start: datetime | None = None
        self._alarm: asyncio.Task[None] | None = None
        # Who waits, in the order of their tickets; those who were sent back by a 429 go first.
        self._tickets = itertools.count()
        self._sent_back: OrderedDict[asyncio.Future[None], int] = OrderedDict()
        self._waiting: OrderedDict[asyncio.Future[None], int] = OrderedDict()
        # What is known of the number of lines that Hamsa takes.
        self._working = limit
        self._full_at: int | None = None
        self._last_full_at: int | None = None
        self._caution = FIRST_CAUTION
        self._growing = False
        self._taken = 0
        self._refusals = 0

    @property
    def working(self) -> int:
        """How many lines are used at present: `limit`, or fewer after refusals for capacity."""
        return self._working

    @property
    def paused_until(self) -> datetime | None:
        """When dialing may go on, if all lines are paused."""
        if self._paused_until is not None and self._paused_until > self._clock.now():
            return self._paused_until
        return None

    # -- lines ---------------------------------------------------------------------------------------------------

    async def acquire(self, *, first: bool = False) -> None:
        """Wait for a line, in the order of asking.

        Args:
            first: Go before everybody who was not sent back: for a call that had its line and met a 429.

        Raises:
            LinesClosed: The run stops.
        """
        queue = self._sent_back if first else self._waiting
        ticket = next(self._tickets)
        while True:
            if self._closed:
                raise LinesClosed
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._queue_up(queue, turn, ticket)
            self._grant_lines()
            try:
                await turn
            except asyncio.CancelledError:
                queue.pop(turn, None)
                if turn.done() and not turn.cancelled() and turn.exception() is None:
                    self.release()  # it was given in the very moment
                raise
            if self.paused_until is None and not self._closed:
                return
            self.in_use -= 1  # the pause began between the giving and here: wait it out, at one's old place

    async def start(self) -> None:
        """Wait, with a line in hand, for the moment in which a call may begin; to be asked directly before it.

        Between the line and the call there may be much to wait for: a pause may have begun, the run may have stopped,
        and those who waited together must not begin together where a pace is set.

        Raises:
            LinesClosed: The run stops.
        """
        while True:
            if self._closed:
                raise LinesClosed
            now = self._clock.now()
            paced = self._last_start + self._gap if self._gap and self._last_start is not None else now
            wait = (max(paced, self._paused_until or now) - now).total_seconds()
            if wait <= 0:
                self._last_start = now
                return
            await self._sleep(wait)

    async def _sleep(self, seconds: float) -> None:
        """Sleep on the injected clock, and wake when the lines are closed."""
        waits = [asyncio.ensure_future(self._clock.sleep(seconds)), asyncio.ensure_future(self._closing.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    @staticmethod
    def _queue_up(queue: "OrderedDict[asyncio.Future[None], int]", turn: asyncio.Future[None], ticket: int) -> None:
        last = next(reversed(queue.values()), ticket)
        queue[turn] = ticket
        if last > ticket:
            for other, _ in sorted(queue.items(), key=lambda waiting: waiting[1]):
                queue.move_to_end(other)

    def take(self) -> None:
        """Count a line for a call that is in progress already, whether or not one is free."""
        self.in_use += 1
        self.most_in_use = max(self.most_in_use, self.in_use)

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Within this a line is taken."""
        self.take()
        try:
            yield
        finally:
            self.release()

    def release(self) -> None:
        """A call ended: its line goes to whoever is next."""
        if self.in_use < 1:
            raise ValueError("a line was released that nobody had")
        self.in_use -= 1
        self._grant_lines()

    def close(self) -> None:
        """Give out no more lines, and send away everybody who waits."""
        self._closed = True
        self._closing.set()
        for queue in (self._sent_back, self._waiting):
            for turn in queue:
                if not turn.done():
                    turn.set_exception(LinesClosed())
            queue.clear()
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    # -- what Hamsa takes ----------------------------------------------------------------------------------------

    def accepted(self) -> None:
        """Hamsa took a call: lines that were given up come back, one by one.

        Call this while the call has its line.
        """
        self._refusals = 0
        if self._full_at is None and self._working >= self.limit:
            return
        if self.in_use < self._working or self.paused_until is not None:
            return  # nothing is learned from a call that was not one more than are known to work
        self._taken += 1
        if self._full_at is not None:
            # With one line there is no doubt; with more, others may be on their way to a refusal.
            if self._taken < self._caution and self._full_at > 1:
                return
            if self.in_use >= self._full_at:
                self._full_at, self._growing = None, False  # so many are taken now: go on without caution
        self._taken = 0
        if self._working < self.limit:
            self._working += 1
            self._growing = True
            self._grant_lines()

    def refused(self, retry_after: float | None) -> None:
        """Hamsa answered 429: pause all lines, and go on with fewer.

        Call this before the line of the refused call is released.

        Args:
            retry_after: Seconds Hamsa asked for, if it did.
        """
        lines = max(self.in_use, 1)
        together = self.paused_until is not None  # with one that was refused before, and has paused the lines
        if not together:
            self._refusals += 1
            again = self._last_full_at is not None and abs(lines - self._last_full_at) <= max(1, lines // 10)
            self._caution = min(self._caution * 2, MOST_CAUTION) if self._growing and again else FIRST_CAUTION
        # Each of them had a line in vain; when all have given theirs back, those that are left are in progress.
        self._full_at = self._last_full_at = lines
        self._working = max(1, min(self._working, lines - 1))
        self._taken, self._growing = 0, False
        seconds = _pause_seconds(retry_after, self._refusals)
        self.pause(seconds)
        if not together:
            lines_wait = counted(self.limit, "line waits", "lines wait")
            logger.warning("Hamsa takes no more at present: %s %.0f s", lines_wait, seconds)

    def pause(self, seconds: float) -> None:
        """Let nobody dial for a while: there is no connection, or somebody asked for quiet. A longer pause stays."""
        until = self._clock.now() + timedelta(seconds=seconds)
        if self._paused_until is None or until > self._paused_until:
            self._paused_until = until

    # -- handing out ---------------------------------------------------------------------------------------------

    def _grant_lines(self) -> None:
        while not self._closed and self.in_use < self._working and (queue := self._sent_back or self._waiting):
            now = self._clock.now()
            gate = max((gate for gate in (self._paused_until, self._next_start) if gate is not None), default=now)
            if now < gate:
                if self._alarm is None:  # gates only ever move back: an alarm that rings too early looks again
                    self._alarm = asyncio.create_task(self._wake_at(gate), name="lines-alarm")
                return
            turn, _ = queue.popitem(last=False)
            if turn.done():
                continue  # it was cancelled
            self.take()
            if self._gap:
                self._next_start = now + self._gap
            turn.set_result(None)

    async def _wake_at(self, moment: datetime) -> None:
        while (left := (moment - self._clock.now()).total_seconds()) > 0:
            await self._clock.sleep(left)
        self._alarm = None
        self._grant_lines()


def _pause_seconds(retry_after: float | None, refusals: int) -> float:
    """How long to wait after so many refusals with no accepted call between them. Hamsa's word wins, within bounds."""
    wanted = retry_after if retry_after is not None else DEFAULT_PAUSE_SECONDS * 2.0 ** min(refusals - 1, 16)
    return min(max(wanted, SHORTEST_PAUSE_SECONDS), LONGEST_PAUSE_SECONDS)
