"""Lines: always busy, never too many, nobody overtaken, nobody forgotten; and as many as Hamsa takes."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.dialing.lines import (
    DEFAULT_PAUSE_SECONDS,
    LONGEST_PAUSE_SECONDS,
    SHORTEST_PAUSE_SECONDS,
    Lines,
    LinesClosed,
)
from sandbox.clock import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


async def turns() -> None:
    """Let everybody who can go on do so."""
    for _ in range(10):
        await asyncio.sleep(0)


def alarms() -> int:
    return sum(task.get_name() == "lines-alarm" for task in asyncio.all_tasks())


class Callers:
    """Calls that ask for lines, numbered in the order of asking."""

    def __init__(self, lines: Lines) -> None:
        self.lines = lines
        self.served: list[int] = []
        self.tasks: list[asyncio.Task[None]] = []

    @property
    def waiting(self) -> int:
        return sum(not task.done() for task in self.tasks)

    async def ask(self, count: int = 1, *, first: bool = False) -> None:
        for _ in range(count):
            self.tasks.append(asyncio.create_task(self._call(len(self.tasks), first)))
        await turns()

    async def _call(self, number: int, first: bool) -> None:
        await self.lines.acquire(first=first)
        self.served.append(number)


# -- handing out -------------------------------------------------------------------------------------------------


async def test_a_free_line_goes_at_once_to_whoever_waited_longest(clock: ManualClock) -> None:
    callers = Callers(Lines(2, clock=clock))
    await callers.ask(5)
    assert callers.served == [0, 1]
    assert (callers.lines.in_use, callers.waiting) == (2, 3)
    callers.lines.release()
    await turns()
    assert callers.served == [0, 1, 2]
    callers.lines.release()
    callers.lines.release()
    await turns()
    assert callers.served == [0, 1, 2, 3, 4]
    assert (callers.lines.in_use, callers.lines.most_in_use, callers.waiting) == (2, 2, 0)


async def test_calls_that_were_sent_back_go_first_in_their_own_order(clock: ManualClock) -> None:
    callers = Callers(Lines(1, clock=clock))
    await callers.ask(3)
    await callers.ask(2, first=True)
    for _ in range(4):
        callers.lines.release()
        await turns()
    assert callers.served == [0, 3, 4, 1, 2]


async def test_a_caller_that_goes_away_is_passed_over(clock: ManualClock) -> None:
    callers = Callers(Lines(1, clock=clock))
    await callers.ask(4)
    callers.tasks[1].cancel()
    callers.lines.release()  # before the cancelled one has noticed
    await turns()
    callers.tasks[3].cancel()
    await turns()
    assert callers.served == [0, 2]
    assert (callers.lines.in_use, callers.waiting) == (1, 0)


async def test_a_caller_that_goes_away_in_the_moment_it_is_served_passes_the_line_on(clock: ManualClock) -> None:
    callers = Callers(Lines(1, clock=clock))
    await callers.ask(3)
    callers.lines.release()
    callers.tasks[1].cancel()  # its turn has come, but it has not gone on yet
    await turns()
    assert callers.served == [0, 2]
    assert callers.lines.in_use == 1


async def test_calls_of_an_earlier_run_have_lines_whether_or_not_one_is_free(clock: ManualClock) -> None:
    callers = Callers(Lines(2, clock=clock))
    for _ in range(3):
        callers.lines.take()
    await callers.ask(1)
    callers.lines.release()
    await turns()
    assert callers.served == []
    callers.lines.release()
    await turns()
    assert callers.served == [0]
    assert (callers.lines.in_use, callers.lines.most_in_use) == (2, 3)


async def test_closing_sends_everybody_away_and_leaves_nothing_running(clock: ManualClock) -> None:
    callers = Callers(Lines(1, clock=clock))
    await callers.ask(3)
    await callers.ask(1, first=True)
    callers.lines.pause(60)
    callers.lines.release()
    await turns()
    assert alarms() == 1
    callers.lines.close()
    await turns()
    assert alarms() == 0
    answers = await asyncio.gather(*callers.tasks, return_exceptions=True)
    assert [type(answer) for answer in answers] == [type(None), LinesClosed, LinesClosed, LinesClosed]
    with pytest.raises(LinesClosed):
        await callers.lines.acquire()
    # What is still in progress goes on reporting.
    callers.lines.take()
    callers.lines.refused(5)
    callers.lines.accepted()
    callers.lines.pause(10)
    callers.lines.release()
    callers.lines.close()
    await turns()
    assert alarms() == 0


def test_lines_that_cannot_work_are_refused(clock: ManualClock) -> None:
    with pytest.raises(ValueError, match="at least one line"):
        Lines(0, clock=clock)
    with pytest.raises(ValueError, match="calls per minute"):
        Lines(1, clock=clock, calls_per_minute=0)
    with pytest.raises(ValueError, match="that nobody had"):
        Lines(1, clock=clock).release()


# -- pauses and pace ---------------------------------------------------------------------------------------------


async def test_nobody_dials_before_the_time_that_hamsa_named(clock: ManualClock) -> None:
    callers = Callers(Lines(3, clock=clock))
    await callers.ask(3)
    callers.lines.refused(30)
    callers.lines.release()
    callers.lines.release()
    await callers.ask(2)
    assert callers.lines.paused_until == clock.now() + timedelta(seconds=30)
    clock.advance(29.9)
    await turns()
    assert len(callers.served) == 3
    clock.advance(0.1)
    await turns()
    assert callers.served == [0, 1, 2, 3]  # two lines work now, and one is in use


async def test_a_pause_that_begins_in_the_moment_of_being_served_is_waited_out_in_the_old_order(
    clock: ManualClock,
) -> None:
    callers = Callers(Lines(2, clock=clock))
    await callers.ask(6)
    callers.lines.release()
    callers.lines.release()  # two have a line now, but have not gone on yet
    callers.lines.pause(10)
    await turns()
    assert (callers.served, callers.lines.in_use, callers.waiting) == ([0, 1], 0, 4)
    clock.advance(10)
    await turns()
    assert callers.served == [0, 1, 2, 3]
    callers.lines.release()
    callers.lines.close()
    await turns()
    assert callers.served == [0, 1, 2, 3]
    assert callers.lines.in_use == 1
    await asyncio.gather(*callers.tasks, return_exceptions=True)


async def test_a_longer_pause_counts_and_a_shorter_one_changes_nothing(clock: ManualClock) -> None:
    callers = Callers(Lines(1, clock=clock))
    callers.lines.pause(10)
    await callers.ask()
    callers.lines.pause(20)
    callers.lines.pause(5)
    assert alarms() == 1
    for seconds, served in ((10, 0), (9, 0), (1, 1)):
        clock.advance(seconds)
        await turns()
        assert len(callers.served) == served


async def test_a_call_that_has_its_line_already_begins_when_the_pause_is_over_and_not_before(
    clock: ManualClock,
) -> None:
    lines = Lines(2, clock=clock)
    await lines.acquire()
    lines.pause(10)
    starting = asyncio.create_task(lines.start())
    await turns()
    lines.pause(15)  # a longer one, while it waits
    for seconds, begins in ((10, False), (4.9, False), (0.1, True)):
        assert not starting.done()
        clock.advance(seconds)
        await turns()
        assert starting.done() is begins
    await lines.start()  # a pause that is over holds nobody up
    lines.pause(0.5)
    starting = asyncio.create_task(lines.start())
    await turns()
    assert not starting.done()  # and the shortest is a pause
    clock.advance(0.5)
    await starting


async def test_a_call_that_waits_to_begin_learns_at_once_that_the_run_stops(clock: ManualClock) -> None:
    lines = Lines(2, clock=clock)
    await lines.acquire()
    lines.pause(10)
    starting = asyncio.create_task(lines.start())
    await turns()
    lines.close()
    with pytest.raises(LinesClosed):
        await starting
    with pytest.raises(LinesClosed):
        await lines.start()
    assert clock.now() == ManualClock().now()


async def test_calls_that_got_their_lines_together_begin_one_by_one_at_the_pace(clock: ManualClock) -> None:
    lines = Lines(5, clock=clock, calls_per_minute=30)
    began: list[float] = []

    async def begin() -> None:
        await lines.start()
        began.append((clock.now() - ManualClock().now()).total_seconds())

    await clock.drive(asyncio.gather(begin(), begin(), begin()))
    assert began == [0, 2, 4]


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [
        *((None, DEFAULT_PAUSE_SECONDS), (0.0, SHORTEST_PAUSE_SECONDS), (0.99, 1.0), (1.01, 1.01), (7.0, 7.0)),
        *((299.0, 299.0), (300.0, 300.0), (301.0, 300.0), (86400.0, LONGEST_PAUSE_SECONDS)),
    ],
)
def test_a_pause_is_as_long_as_hamsa_asks_within_bounds(
    clock: ManualClock, retry_after: float | None, seconds: float
) -> None:
    lines = Lines(5, clock=clock)
    lines.take()
    lines.refused(retry_after)
    assert lines.paused_until == clock.now() + timedelta(seconds=seconds)


def test_pauses_without_a_hint_double_until_a_call_is_taken(clock: ManualClock) -> None:
    lines = Lines(1, clock=clock)
    pauses = []
    for _ in range(2000):
        lines.take()
        lines.refused(None)
        lines.release()
        assert lines.paused_until is not None
        pauses.append((lines.paused_until - clock.now()).total_seconds())
        clock.advance_to(lines.paused_until)
    assert pauses[:7] == [5, 10, 20, 40, 80, 160, 300]
    assert set(pauses[7:]) == {LONGEST_PAUSE_SECONDS}
    lines.take()
    lines.accepted()
    lines.refused(None)
    assert lines.paused_until == clock.now() + timedelta(seconds=5)


def test_lines_that_come_back_after_a_refusal_are_never_more_than_the_limit(clock: ManualClock) -> None:
    lines = Lines(2, clock=clock)
    for _ in range(2):
        lines.take()
    lines.refused(1)
    lines.release()
    clock.advance(1)
    working = [lines.working]
    for _ in range(2):
        for _ in range(200):
            lines.accepted()
            working.append(lines.working)
        lines.take()
    assert (min(working), max(working)) == (1, 2)


async def test_calls_start_no_faster_than_the_pace(clock: ManualClock) -> None:
    lines = Lines(100, clock=clock, calls_per_minute=30)
    starts: list[float] = []
    began = clock.now()

    async def call() -> None:
        await lines.acquire()
        starts.append((clock.now() - began).total_seconds())
        await clock.sleep(1)
        lines.release()

    await clock.drive(asyncio.gather(*[call() for _ in range(90)]))
    assert starts == [pytest.approx(2.0 * number) for number in range(90)]


async def test_a_slow_minute_is_not_made_up_for(clock: ManualClock) -> None:
    callers = Callers(Lines(100, clock=clock, calls_per_minute=60))
    await callers.ask(1)
    clock.advance(30)
    await callers.ask(5)
    assert len(callers.served) == 2
    clock.advance(1)
    await turns()
    assert len(callers.served) == 3
    callers.lines.close()
    await asyncio.gather(*callers.tasks, return_exceptions=True)


# -- any order of events -----------------------------------------------------------------------------------------

STEPS = st.one_of(
    st.tuples(st.just("ask"), st.booleans()),
    st.tuples(st.sampled_from(["release", "accepted", "take", "ask_three"]), st.none()),
    st.tuples(st.just("cancel"), st.integers(0, 30)),
    st.tuples(st.just("cancel_and_release"), st.integers(0, 30)),
    st.tuples(st.just("refused"), st.sampled_from([None, 0.0, 3.0])),
    st.tuples(st.just("pause"), st.floats(0, 10)),
    st.tuples(st.just("advance"), st.floats(0, 15)),
)


@dataclass
class World:
    """Lines, and beside them the plainest picture of what they must do."""

    lines: Lines
    clock: ManualClock
    pace: float | None
    pushed: bool
    front: list[int] = field(default_factory=list)
    back: list[int] = field(default_factory=list)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    holding: int = 0
    starts: list[float] = field(default_factory=list)

    def waiting(self) -> list[int]:
        return self.front + self.back

    async def ask(self, first: bool) -> None:
        number = len(self.tasks)
        (self.front if first else self.back).append(number)
        self.tasks.append(asyncio.create_task(self._call(number, first)))
        await asyncio.sleep(0)

    async def _call(self, number: int, first: bool) -> None:
        await self.lines.acquire(first=first)
        # It is no pause, and whoever is served is the next in line. (If events are pushed, several were served at once,
        # and which of them goes on first says nothing.)
        assert self.pushed or number == self.waiting()[0]
        (self.front if number in self.front else self.back).remove(number)
        assert self.lines.paused_until is None
        self.holding += 1
        self.starts.append(self.clock.now().timestamp())

    def cancel(self, which: int) -> None:
        waiting = self.waiting()
        if waiting:
            number = waiting[which % len(waiting)]
            self.tasks[number].cancel()
            (self.front if number in self.front else self.back).remove(number)

    async def do(self, step: str, what: float | bool | None) -> None:
        if step == "ask":
            await self.ask(bool(what))
        elif step == "ask_three":
            for _ in range(3):
                await self.ask(False)
        elif step == "cancel":
            self.cancel(int(what or 0))
        elif step == "advance":
            self.clock.advance(float(what or 0))
        elif step == "pause":
            self.lines.pause(float(what or 0))
        elif step == "take":
            self.lines.take()
            self.holding += 1
        elif self.holding:
            self.do_with_a_line(step, what)

    def do_with_a_line(self, step: str, what: float | None) -> None:
        if step == "accepted":
            self.lines.accepted()
        elif step == "refused":
            self.lines.refused(what)
        else:
            if step == "cancel_and_release":
                self.cancel(int(what or 0))
            self.holding -= 1
            self.lines.release()

    def check(self) -> None:
        lines = self.lines
        assert lines.in_use == self.holding
        assert 1 <= lines.working <= lines.limit
        assert lines.most_in_use >= lines.in_use
        # A start that was given and cancelled in the same moment counts in the pace, but nobody here has seen it.
        late = self.pace is not None and (
            self.pushed or (bool(self.starts) and self.clock.now().timestamp() < self.starts[-1] + self.pace)
        )
        if self.waiting() and lines.paused_until is None and not late:
            assert lines.in_use >= lines.working, "a line is idle though somebody waits"
        if self.pace is not None:
            assert all(b - a >= self.pace - 1e-6 for a, b in zip(self.starts, self.starts[1:], strict=False))
        for task in self.tasks:
            if task.done() and not task.cancelled():
                task.result()


@given(
    limit=st.integers(1, 6),
    per_minute=st.sampled_from([None, None, 20.0]),
    steps=st.lists(STEPS, max_size=60),
    pushed=st.booleans(),
)
def test_whatever_happens_lines_are_busy_and_kept_in_order(
    limit: int, per_minute: float | None, steps: list[tuple[str, float | bool | None]], pushed: bool
) -> None:
    async def run() -> None:
        clock = ManualClock()
        pace = 60 / per_minute if per_minute else None
        world = World(Lines(limit, clock=clock, calls_per_minute=per_minute), clock, pace, pushed)
        for step, what in steps:
            await world.do(step, what)
            if not pushed:  # else the next thing happens before anybody has noticed this one
                await turns()
                world.check()
        await turns()
        world.check()
        # Everybody is served in the end, or sent away.
        for _ in range(200):
            if not world.waiting():
                break
            clock.advance(20)
            while world.holding and world.lines.in_use >= world.lines.working:
                world.holding -= 1
                world.lines.release()
            await turns()
            world.check()
        assert not world.waiting()
        world.lines.pause(1)
        await world.ask(False)
        world.lines.close()
        await turns()
        assert alarms() == 0
        assert all(task.done() for task in world.tasks)
        await asyncio.gather(*world.tasks, return_exceptions=True)

    asyncio.run(run())


# -- as many as Hamsa takes --------------------------------------------------------------------------------------


@dataclass
class Hamsa:
    """Takes calls by some rule that it does not tell, and measures what the lines make of it."""

    clock: ManualClock
    takes: Callable[["Hamsa"], bool]
    retry_after: float | None = 2.0
    in_progress: int = 0
    busy_seconds: float = 0.0
    answers: Counter[str] = field(default_factory=Counter)
    rng: random.Random = field(default_factory=lambda: random.Random(5))

    async def campaign(self, lines: Lines, calls: int) -> float:
        """Make so many calls. Returns how many seconds it took."""
        began = self.clock.now()
        work = asyncio.gather(*[self._call(lines) for _ in range(calls)])
        while not work.done():  # nothing here works outside this loop: the clock need not wait to see that all wait
            await turns()
            if (wake := self.clock.next_wake) is not None:
                self.clock.advance_to(wake)
        await work
        return (self.clock.now() - began).total_seconds()

    async def _call(self, lines: Lines) -> None:
        first = False
        while True:
            await lines.acquire(first=first)
            await self.clock.sleep(self.rng.uniform(0.2, 0.4))  # the POST
            if self.takes(self):
                break
            self.answers["429"] += 1
            lines.refused(self.retry_after)
            lines.release()
            first = True
        self.answers["taken"] += 1
        self.in_progress += 1
        lines.accepted()
        seconds = min(self.rng.lognormvariate(4.3, 0.6), 600)
        self.busy_seconds += seconds
        await self.clock.sleep(seconds)
        self.in_progress -= 1
        lines.release()


@pytest.fixture
def bucket(clock: ManualClock) -> Callable[[Hamsa], bool]:
    """A rate limit: five requests at once, two more every second."""
    level, at = 5.0, clock.now()

    def take(_hamsa: Hamsa) -> bool:
        nonlocal level, at
        level = min(5.0, level + 2 * (clock.now() - at).total_seconds())
        at = clock.now()
        if level < 1:
            return False
        level -= 1
        return True

    return take


@pytest.mark.parametrize("capacity", [1, 7, 20])
async def test_lines_settle_at_what_the_account_takes(clock: ManualClock, capacity: int) -> None:
    hamsa = Hamsa(clock, lambda hamsa: hamsa.in_progress < capacity)
    lines = Lines(40, clock=clock)
    seconds = await hamsa.campaign(lines, 30 * capacity)
    assert hamsa.busy_seconds / (seconds * capacity) > 0.85
    assert hamsa.answers["429"] < 40 + 0.2 * hamsa.answers["taken"]


async def test_more_lines_are_found_when_the_account_takes_more(clock: ManualClock) -> None:
    began = clock.now()
    hamsa = Hamsa(clock, lambda hamsa: hamsa.in_progress < (5 if clock.now() - began < timedelta(hours=1) else 30))
    lines = Lines(30, clock=clock)
    await hamsa.campaign(lines, 700)
    assert lines.working == 30
    assert lines.most_in_use == 30


async def test_a_limit_on_requests_does_not_cost_lines(clock: ManualClock, bucket: Callable[[Hamsa], bool]) -> None:
    hamsa = Hamsa(clock, bucket, retry_after=1.0)
    lines = Lines(40, clock=clock)
    seconds = await hamsa.campaign(lines, 1200)
    assert hamsa.busy_seconds / (seconds * 40) > 0.8


async def test_refusals_at_random_do_not_cost_lines(clock: ManualClock) -> None:
    hamsa = Hamsa(clock, lambda hamsa: hamsa.rng.random() > 0.1, retry_after=1.0)
    lines = Lines(20, clock=clock)
    seconds = await hamsa.campaign(lines, 600)
    assert hamsa.busy_seconds / (seconds * 20) > 0.8


async def test_an_account_that_takes_nothing_is_tried_one_call_at_a_time(clock: ManualClock) -> None:
    began = clock.now()
    hamsa = Hamsa(clock, lambda _hamsa: clock.now() - began > timedelta(minutes=30), retry_after=None)
    lines = Lines(40, clock=clock)
    await hamsa.campaign(lines, 60)
    assert hamsa.answers["429"] < 40 + 15
    assert lines.working > 20


# -- the edges of it ---------------------------------------------------------------------------------------------


class Trial:
    """Lines whose calls are taken and refused one by one."""

    def __init__(self, clock: ManualClock, limit: int, in_use: int) -> None:
        self.clock = clock
        self.lines = Lines(limit, clock=clock)
        self.use(in_use)

    def use(self, count: int) -> None:
        """Have so many calls in progress."""
        while self.lines.in_use < count:
            self.lines.take()
        while self.lines.in_use > count:
            self.lines.release()

    def refuse(self) -> None:
        """The newest call is refused, and the pause waited out."""
        self.lines.refused(1.0)
        self.lines.release()
        self.clock.advance(1.0)

    def taken_until_a_line_comes_back(self) -> int:
        """How many calls have to be taken, with all lines in use, until there is one line more."""
        before = self.lines.working
        for taken in range(1, 1000):
            self.use(before)
            self.lines.accepted()
            if self.lines.working > before:
                assert self.lines.working == before + 1
                return taken
        raise AssertionError("none came back")


def test_a_line_comes_back_after_four_calls_were_taken_and_the_next_ones_at_once(clock: ManualClock) -> None:
    trial = Trial(clock, limit=10, in_use=6)
    trial.refuse()
    assert trial.lines.working == 5
    # The sixth is tried with care, then found to be taken, and from there on nothing speaks against one more.
    assert [trial.taken_until_a_line_comes_back() for _ in range(5)] == [4, 4, 1, 1, 1]
    assert trial.lines.working == 10
    for _ in range(20):
        trial.use(10)
        trial.lines.accepted()
    assert trial.lines.working == 10


def test_nothing_is_learned_from_a_call_while_lines_are_free_or_paused(clock: ManualClock) -> None:
    trial = Trial(clock, limit=10, in_use=6)
    trial.refuse()
    trial.use(4)
    for _ in range(50):
        trial.lines.accepted()
    trial.use(5)
    trial.lines.pause(10)
    for _ in range(50):
        trial.lines.accepted()
    assert trial.lines.working == 5
    trial.clock.advance(10)
    assert trial.taken_until_a_line_comes_back() == 4


def test_with_one_line_the_next_comes_back_with_the_first_call_that_is_taken(clock: ManualClock) -> None:
    trial = Trial(clock, limit=3, in_use=1)
    trial.refuse()
    assert trial.lines.working == 1
    assert [trial.taken_until_a_line_comes_back() for _ in range(2)] == [1, 1]
    two = Trial(clock, limit=3, in_use=2)
    two.refuse()
    assert two.lines.working == 1
    assert two.taken_until_a_line_comes_back() == 4


def test_a_line_that_is_refused_again_and_again_is_tried_ever_more_rarely_and_not_for_ever(clock: ManualClock) -> None:
    trial = Trial(clock, limit=20, in_use=10)
    trial.refuse()
    tried = []
    for _ in range(8):
        tried.append(trial.taken_until_a_line_comes_back())
        trial.use(10)
        trial.refuse()
    assert tried == [4, 8, 16, 32, 64, 128, 128, 128]


@pytest.mark.parametrize(
    ("first", "second", "caution"), [(10, 10, 8), (10, 11, 8), (10, 9, 4), (30, 32, 8), (30, 33, 8), (30, 34, 4)]
)
def test_only_a_refusal_where_lines_were_refused_before_makes_more_careful(
    clock: ManualClock, first: int, second: int, caution: int
) -> None:
    trial = Trial(clock, limit=60, in_use=first)
    trial.refuse()
    while trial.lines.working < second:
        trial.taken_until_a_line_comes_back()
    trial.use(second)
    trial.refuse()
    assert trial.lines.working == second - 1
    assert trial.taken_until_a_line_comes_back() == caution


def test_refusals_that_come_together_pause_once_and_cost_their_lines(clock: ManualClock) -> None:
    trial = Trial(clock, limit=10, in_use=8)
    for left in (7, 6, 5):
        trial.lines.refused(None)
        trial.lines.release()
        assert trial.lines.working == left
        assert trial.lines.paused_until == clock.now() + timedelta(seconds=DEFAULT_PAUSE_SECONDS)
    clock.advance(DEFAULT_PAUSE_SECONDS)
    trial.lines.refused(None)
    assert trial.lines.paused_until == clock.now() + timedelta(seconds=2 * DEFAULT_PAUSE_SECONDS)


async def test_a_line_that_comes_back_is_given_at_once_to_whoever_waits(clock: ManualClock) -> None:
    trial = Trial(clock, limit=3, in_use=1)
    trial.refuse()
    callers = Callers(trial.lines)
    await callers.ask(2)
    assert callers.served == [0]
    trial.lines.accepted()
    await turns()
    assert callers.served == [0, 1]
