"""The figures: what is measured, beside what, and how much is asked for.

Promises that both sides of a comparison ran in the same minutes on the same stage, one after the other and again, that
a figure is the median of its repetitions, and that of every campaign the longest stand-still of its loop is reported.
"""

import asyncio
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from statistics import median
from typing import Any

from benchmarks.done import fill_ledger
from benchmarks.people import write_database
from benchmarks.stage import INSTANT, NINETY_SECONDS, WEBHOOK_SECRET, Stage, Used, postgres_database, stage

LINES = 50
MANY_LINES = 1500
ASK_EVERY_SECONDS = 5.0
QUICK_LOOKS = {"poll_min_seconds": 0.1, "poll_max_seconds": 1.0}
"""For calls of no length, which would otherwise all wait for the next look."""
LONGEST_STALL_MS = 100


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured.

    Attributes:
        repeats: Of each comparison.
        campaign: Calls of a campaign that is measured for its cost.
        by_map: Calls of the `.map` beside it.
        polled: Calls of the campaign measured for its lines, followed by polling.
        polled_speed: How many times as fast time passes there.
        by_webhook: The same with webhooks.
        by_webhook_speed: The same with webhooks.
        many_lines: Lines of the campaign that has very many.
        busy_seconds: How long that one is looked at, once its lines are filled.
        many: Rows of a large campaign.
        few: Rows of a small one.
        past: Attempts in the ledger in which a page is screened.
    """

    repeats: int = 3
    campaign: int = 3000
    by_map: int = 400
    polled: int = 1000
    polled_speed: float = 20.0
    by_webhook: int = 1000
    by_webhook_speed: float = 10.0
    many_lines: int = MANY_LINES
    busy_seconds: int = 300
    many: int = 1_000_000
    few: int = 1000
    past: int = 1_000_000


QUICK = Sizes(
    repeats=1,
    campaign=100,
    by_map=30,
    polled=120,
    polled_speed=20,
    by_webhook=120,
    by_webhook_speed=20,
    many_lines=60,
    busy_seconds=10,
    many=3000,
    few=50,
    past=5000,
)


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table.

    Attributes:
        what: What is measured, with its unit.
        measured: The figure.
        beside: What it is compared to.
        other: The figure of that, if it has one.
        asked: What is asked for, in words.
        met: Whether it is met.
        runs: How many repetitions it is the median of.
    """

    what: str
    measured: float
    beside: str
    other: float | None
    asked: str
    met: bool
    runs: int


def placing(sizes: Sizes) -> list[Figure]:
    """What a call costs in processor, beside what one would write."""
    on: list[Used] = []
    off: list[Used] = []
    mapped: list[Used] = []
    with stage(INSTANT) as here:
        options = {
            "rows": sizes.campaign,
            "database": _database(here, sizes.campaign),
            "policy": {"lines": 200, **QUICK_LOOKS},
        }
        for _ in range(sizes.repeats):
            off.append(here.measure("campaign", events_per_call=False, **options))
            mapped.append(here.measure("map", rows=sizes.by_map))
            on.append(here.measure("campaign", **options))
    by_map = _median(mapped, lambda used: used.processor_per_call) * 1000
    figures = []
    for name, used, parts in (("off", off, 10), ("on", on, 5)):
        cost = _median(used, lambda one: one.processor_per_call) * 1000
        figures.append(
            Figure(
                f"processor milliseconds for a call, flow and Prefect's server, events per call {name}",
                cost,
                "`@task(retries=3)` and `.map`",
                by_map,
                f"at most 1/{parts}",
                cost * parts <= by_map,
                sizes.repeats,
            )
        )
    return [*figures, _stall("a campaign of calls of no length", [used.own for used in (*off, *on)])]


def lines_by_polling(sizes: Sizes) -> list[Figure]:
    """How busy lines are, and how often Hamsa is asked, where the watcher reads the list."""
    return _lines(sizes.polled, sizes.polled_speed, by_webhook=False)


def lines_with_webhooks(sizes: Sizes) -> list[Figure]:
    """The same where Hamsa reports the ends."""
    return _lines(sizes.by_webhook, sizes.by_webhook_speed, by_webhook=True)


def _lines(count: int, speed: float, *, by_webhook: bool) -> list[Figure]:
    # The sandbox's magic numbers begin where these people end: only the call that never ends is one.
    with stage({**NINETY_SECONDS, "magic_numbers": True}, speed=speed) as here:
        used = _campaign(here, count, by_webhook=by_webhook, name="plain")
        seconds = _lengths(here.sandbox.calls())
        stats = used.stats
        hanging = _campaign(here, count, by_webhook=by_webhook, name="hanging", never_ends=1)
    span = (_moment(stats["last_ring_at"]) - _moment(stats["first_ring_at"])).total_seconds()
    share = stats["line_seconds_until_last_ring"] / (LINES * span)
    how = f"{'webhooks' if by_webhook else 'polling'}, {count} calls, {speed:g} times as fast"
    enough, few = (0.99, 1.1) if by_webhook else (0.97, 2.6)
    requests = used.requests / used.calls
    with_one = hanging.requests / hanging.calls
    asking = sum(1 + math.ceil(length / ASK_EVERY_SECONDS) for length in seconds) / len(seconds)
    return [
        Figure(
            f"share of line time in use until the last call is dialed ({LINES} lines, {how})",
            share,
            f"the same calls in batches of {LINES} with a barrier (computed, nothing lost between batches)",
            share_with_barrier(seconds),
            f"at least {enough}",
            share >= enough,
            1,
        ),
        Figure(
            f"HTTP requests for a call, outcome included ({how})",
            requests,
            f"asking for each of the same calls every {ASK_EVERY_SECONDS:g} s (computed)",
            asking,
            f"at most {few}",
            requests <= few,
            1,
        ),
        Figure(
            f"the same with one call that never ends ({how})",
            with_one,
            "without it",
            requests,
            "at most 1.1 times",
            with_one <= 1.1 * requests,
            1,
        ),
        _stall(f"these campaigns ({how})", [used.own, hanging.own]),
    ]


def _campaign(here: Stage, count: int, *, by_webhook: bool, name: str, never_ends: int = 0) -> Used:
    ledger = here.folder / f"{name}.db"
    options = {
        "rows": count,
        "database": _database(here, count),
        "policy": {"lines": LINES},
        "ledger": str(ledger),
        "never_ends": never_ends,
    }
    if not by_webhook:
        return here.measure("campaign", **options)
    with here.receiver(ledger) as url:
        return here.measure("campaign", webhook_url=url, webhook_secret=WEBHOOK_SECRET, **options)


def very_many_lines_by_polling(sizes: Sizes) -> list[Figure]:
    """How busy very many lines are, at the machine's own speed, by polling."""
    return _very_many_lines(sizes, by_webhook=False)


def very_many_lines_with_webhooks(sizes: Sizes) -> list[Figure]:
    """The same with webhooks."""
    return _very_many_lines(sizes, by_webhook=True)


def _very_many_lines(sizes: Sizes, *, by_webhook: bool) -> list[Figure]:
    lines, seconds = sizes.many_lines, sizes.busy_seconds
    # Those who have a line at first, those who follow them while it is looked at, and some to spare.
    count = 2 * lines + lines * (seconds + 60) // 60
    with stage(NINETY_SECONDS) as here:
        options = {"rows": count, "database": _database(here, count), "ledger": str(here.folder / "ledger.db")}
        if by_webhook:
            with here.receiver(here.folder / "ledger.db") as url:
                busy = here.measure_for(seconds, lines, webhook_url=url, webhook_secret=WEBHOOK_SECRET, **options)
        else:
            busy = here.measure_for(seconds, lines, **options)
    enough = 0.99 if by_webhook else 0.97
    how = f"{lines:,} lines, {'webhooks' if by_webhook else 'polling'}"
    return [
        Figure(
            f"share of line time in use in {seconds} s after the lines have filled ({how}, at the machine's speed)",
            busy.share,
            "",
            None,
            f"at least {enough}",
            busy.share >= enough,
            1,
        ),
        _stall(f"this campaign ({how})", [busy.own]),
    ]


def size(sizes: Sizes) -> list[Figure]:
    """Memory with many rows, and what a run costs that has nothing to do."""
    seconds: list[float] = []
    runs: list[Used] = []
    with stage(INSTANT) as here:
        options = {"database": _database(here, sizes.many), "policy": {"lines": 50, **QUICK_LOOKS}}
        full = here.folder / "full.db"
        asyncio.run(fill_ledger(f"sqlite+aiosqlite:///{full}", sizes.many - sizes.few))
        # The first run over it makes the calls that are left, as many as the small campaign does.
        many = here.measure("campaign", rows=sizes.many, ledger=str(full), **options)
        few = here.measure("campaign", rows=sizes.few, **options)
        for _ in range(sizes.repeats):
            again = here.measure("campaign", rows=sizes.many, ledger=str(full), **options)
            if again.calls or again.stats["rings"]:
                message = "A second run called somebody."
                raise RuntimeError(message)
            runs.append(again)
            seconds.append(float(again.own["seconds"]))
    peak, small = many.own["peak"] / 2**20, few.own["peak"] / 2**20
    rows_a_second = sizes.many / median(seconds)
    return [
        Figure(
            f"peak memory in MiB, {sizes.many:,} rows of which {sizes.few:,} are still to be called",
            peak,
            f"{sizes.few:,} rows, all to be called",
            small,
            "at most 1.3 times",
            peak <= 1.3 * small,
            1,
        ),
        Figure(
            f"rows a second, a second run over {sizes.many:,} done rows, no call",
            rows_a_second,
            "",
            None,
            "at least 12,000",
            rows_a_second >= 12_000,
            sizes.repeats,
        ),
        _stall(f"{sizes.many:,} rows", [used.own for used in (many, few, *runs)]),
    ]


def history(sizes: Sizes) -> list[Figure]:
    """A page of people whose numbers have been called often, in a ledger of many attempts."""
    figures = []
    with stage(INSTANT) as here:
        for name in ("SQLite", "PostgreSQL"):
            with postgres_database(here.reaper) if name == "PostgreSQL" else here.sqlite() as url:
                own = here.program("benchmarks.history", url, str(sizes.past), str(sizes.repeats))
            seconds = median(own["seconds"])
            figures.append(
                Figure(
                    f"seconds to screen a page of 5,000 rows, 36 past attempts each, of {sizes.past:,} ({name})",
                    seconds,
                    "seconds of processor in them, the database's own not counted",
                    median(own["processor"]),
                    "at most 1",
                    seconds <= 1,
                    sizes.repeats,
                )
            )
            figures.append(_stall(f"this page ({name})", [own]))
    return figures


SECTIONS: Mapping[str, Callable[[Sizes], list[Figure]]] = {
    "placing": placing,
    "polling": lines_by_polling,
    "webhooks": lines_with_webhooks,
    "many-polling": very_many_lines_by_polling,
    "many-webhooks": very_many_lines_with_webhooks,
    "size": size,
    "history": history,
}


def table(figures: Iterable[Figure]) -> str:
    """The figures as a Markdown table."""
    rows = [
        "| figure | measured | beside | | ratio | asked for | met | runs |",
        "| --- | ---: | --- | ---: | ---: | --- | --- | ---: |",
    ]
    for figure in figures:
        other, ratio = "", ""
        if figure.other is not None:
            other, ratio = _written(figure.other), f"{figure.measured / figure.other:.3f}"
        cells = (
            figure.what,
            _written(figure.measured),
            figure.beside,
            other,
            ratio,
            figure.asked,
            _yes(figure.met),
            figure.runs,
        )
        rows.append("| " + " | ".join(str(cell) for cell in cells) + " |")
    return "\n".join(rows)


def share_with_barrier(seconds: list[float], lines: int = LINES) -> float:
    """The share of line time in use if each batch waits for its longest call; the last batch does not count."""
    batches = [seconds[first : first + lines] for first in range(0, len(seconds), lines)]
    counted = batches[:-1] or batches
    return sum(map(sum, counted)) / (lines * sum(map(max, counted)))


def plain(figure: Figure) -> dict[str, Any]:
    """A figure as it is kept in a file."""
    return asdict(figure)


def _stall(where: str, seen: Iterable[Mapping[str, Any]]) -> Figure:
    """The longest stand-still of the loop in any of these runs."""
    seen = list(seen)
    stall = max(float(own["stall"]) for own in seen) * 1000
    worst = max(seen, key=lambda own: float(own["computing"]))
    return Figure(
        f"milliseconds for which the event loop stood still at most, {where}",
        stall,
        f"computing without a pause, at most; {worst['collecting'] * 1000:.0f} of them Python's garbage collector",
        worst["computing"] * 1000,
        f"at most {LONGEST_STALL_MS}",
        stall <= LONGEST_STALL_MS,
        1,
    )


def _median(runs: Iterable[Used], figure: Callable[[Used], float]) -> float:
    return median(figure(used) for used in runs)


def _database(here: Stage, count: int) -> str:
    file = here.folder / "customers.db"
    if not file.exists():
        write_database(file, count)
    return str(file)


def _lengths(calls: Iterable[Mapping[str, Any]]) -> list[float]:
    """Lengths of calls in seconds, in the order in which they were made."""
    return [(_moment(call["ended_at"]) - _moment(call["created_at"])).total_seconds() for call in calls]


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _yes(met: bool) -> str:
    return "yes" if met else "**no**"


def _written(number: float) -> str:
    if number >= 1000:
        return f"{number:,.0f}"
    return f"{number:.1f}" if number >= 10 else f"{number:.3f}"
