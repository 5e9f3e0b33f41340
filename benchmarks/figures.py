"""The figures: what is measured, beside what, and how much is asked for.

Promises that both sides of a comparison ran in the same minutes on the same stage, one after the other and again, and
that a figure is the median of its repetitions.
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
from benchmarks.stage import INSTANT, NINETY_SECONDS, WEBHOOK_SECRET, Stage, Used, stage

LINES = 50
ASK_EVERY_SECONDS = 5.0
QUICK_LOOKS = {"poll_min_seconds": 0.1, "poll_max_seconds": 1.0}
"""For calls of no length, which would otherwise all wait for the next look."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured.

    Attributes:
        repeats: Of each comparison.
        campaign: Calls of a campaign that is measured for its speed.
        by_map: Calls of the `.map` beside it.
        bare: Calls of the bare loop beside it.
        polled: Calls of the campaign measured for its lines, followed by polling.
        polled_speed: How many times as fast time passes there.
        told: The same with webhooks.
        told_speed: The same with webhooks.
        many: Rows of a large campaign.
        few: Rows of a small one.
    """

    repeats: int = 5
    campaign: int = 6000
    by_map: int = 1000
    bare: int = 3000
    polled: int = 2000
    polled_speed: float = 20.0
    told: int = 2000
    told_speed: float = 10.0
    many: int = 100_000
    few: int = 1000


QUICK = Sizes(
    repeats=1,
    campaign=100,
    by_map=30,
    bare=100,
    polled=120,
    polled_speed=20,
    told=120,
    told_speed=20,
    many=1500,
    few=50,
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
    """Speed and cost of placing calls, beside the limit and beside what one would write."""
    bare: list[float] = []
    on: list[Used] = []
    off: list[Used] = []
    mapped: list[Used] = []
    with stage(INSTANT) as here:
        database = _database(here, max(sizes.campaign, sizes.few))
        options = {"rows": sizes.campaign, "database": database, "policy": {"lines": 200, **QUICK_LOOKS}}
        for _ in range(sizes.repeats):
            # The pool of httpx gets slower with its size: the limit is what its best size reaches.
            bare.append(
                max(
                    here.measure("bare", rows=sizes.bare, workers=200, connections=size).per_second for size in (10, 50)
                )
            )
            off.append(here.measure("campaign", events_per_call=False, **options))
            mapped.append(here.measure("map", rows=sizes.by_map))
            on.append(here.measure("campaign", **options))
    limit, speed = median(bare), _median(off, lambda used: used.per_second)
    by_map = {
        "speed": _median(mapped, lambda used: used.per_second),
        "processor": _median(mapped, lambda used: used.processor_per_call),
        "bytes": _median(mapped, lambda used: used.bytes_per_call),
    }
    figures = [
        ("calls placed in a second, events per call off", speed, "a bare `httpx` loop", limit, 0.6, 1),
        ("", speed, "`@task(retries=3)` and `.map`", by_map["speed"], 8.0, 1),
        (
            "calls placed in a second, events per call on",
            _median(on, lambda used: used.per_second),
            "`.map`",
            by_map["speed"],
            8.0,
            1,
        ),
    ]
    for name, used in (("off", off), ("on", on)):
        processor = _median(used, lambda one: one.processor_per_call)
        what = f"processor milliseconds for a call, flow and Prefect's server, events {name}"
        figures.append((what, processor * 1000, "`.map`", by_map["processor"] * 1000, 1 / 10, -1))
        stored = _median(used, lambda one: one.bytes_per_call)
        asked = 1 / 40 if name == "off" else 1 / 8
        what = f"bytes of Prefect's database for a call, events {name}"
        figures.append((what, stored, "`.map`", by_map["bytes"], asked, -1))
    return [_compared(*figure, runs=sizes.repeats) for figure in figures]


def lines_by_polling(sizes: Sizes) -> list[Figure]:
    """How busy lines are, and how often Hamsa is asked, where the watcher reads the list."""
    return _lines(sizes.polled, sizes.polled_speed, by_webhook=False)


def lines_with_webhooks(sizes: Sizes) -> list[Figure]:
    """The same where Hamsa tells of the ends."""
    return _lines(sizes.told, sizes.told_speed, by_webhook=True)


def _lines(count: int, speed: float, *, by_webhook: bool) -> list[Figure]:
    with stage(NINETY_SECONDS, speed=speed) as here:
        ledger = here.folder / "ledger.db"
        options = {"rows": count, "database": _database(here, count), "policy": {"lines": LINES}, "ledger": str(ledger)}
        if by_webhook:
            with here.receiver(ledger) as url:
                used = here.measure("campaign", webhook_url=url, webhook_secret=WEBHOOK_SECRET, **options)
        else:
            used = here.measure("campaign", **options)
        seconds = _lengths(here.sandbox.calls())
    stats = used.stats
    span = (_moment(stats["last_ring_at"]) - _moment(stats["first_ring_at"])).total_seconds()
    share = stats["line_seconds_until_last_ring"] / (LINES * span)
    how = f"{'webhooks' if by_webhook else 'polling'}, {count} calls, {speed:g} times as fast"
    enough, few = (0.99, 1.1) if by_webhook else (0.96, 2.6)
    requests = used.requests / used.calls
    asking = sum(1 + math.ceil(length / ASK_EVERY_SECONDS) for length in seconds) / len(seconds)
    return [
        Figure(
            f"share of line time in use until the last call is dialed ({how})",
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
    ]


def size(sizes: Sizes) -> list[Figure]:
    """Memory with many rows, and what a run costs that has nothing to do."""
    many, few = [], []
    seconds: list[float] = []
    with stage(INSTANT) as here:
        options = {"database": _database(here, sizes.many), "policy": {"lines": 50, **QUICK_LOOKS}}
        full = here.folder / "full.db"
        asyncio.run(fill_ledger(full, sizes.many - sizes.few))
        # The first run over it makes the calls that are left, as many as the small campaign does.
        many.append(here.measure("campaign", rows=sizes.many, ledger=str(full), **options))
        few.append(here.measure("campaign", rows=sizes.few, **options))
        for _ in range(sizes.repeats):
            again = here.measure("campaign", rows=sizes.many, ledger=str(full), **options)
            if again.calls or again.stats["rings"]:
                message = "A second run called somebody."
                raise RuntimeError(message)
            seconds.append(float(again.own["seconds"]))
    peak, small = many[0].own["peak"] / 2**20, few[0].own["peak"] / 2**20
    rows_a_second = sizes.many / median(seconds)
    return [
        Figure(
            f"peak memory in MiB, {sizes.many:,} rows of which {sizes.few:,} are still to be called",
            peak,
            f"{sizes.few:,} rows, all to be called",
            small,
            "at most 1.25 times",
            peak <= 1.25 * small,
            1,
        ),
        Figure(
            f"rows a second, a second run over {sizes.many:,} done rows, no call",
            rows_a_second,
            "",
            None,
            "at least 10,000",
            rows_a_second >= 10_000,
            sizes.repeats,
        ),
    ]


SECTIONS: Mapping[str, Callable[[Sizes], list[Figure]]] = {
    "placing": placing,
    "polling": lines_by_polling,
    "webhooks": lines_with_webhooks,
    "size": size,
}


def table(figures: Iterable[Figure]) -> str:
    """The figures as a Markdown table."""
    rows = [
        "| figure | measured | beside | | ratio | asked for | met | runs |",
        "| --- | ---: | --- | ---: | ---: | --- | --- | ---: |",
    ]
    what = ""
    for figure in figures:
        what = figure.what or what
        other, ratio = "", ""
        if figure.other is not None:
            other, ratio = _written(figure.other), f"{figure.measured / figure.other:.3f}"
        cells = (
            what,
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


def _compared(  # noqa: PLR0917 - a line of the table, in the table's order
    what: str, measured: float, beside: str, other: float, asked: float, sign: int, *, runs: int
) -> Figure:
    """A figure that has to be so many times another one: at least, or at most if `sign` is negative."""
    ratio = measured / other
    words = f"at least {asked:g} times" if sign > 0 else f"at most 1/{1 / asked:g}"
    return Figure(what, measured, beside, other, words, ratio >= asked if sign > 0 else ratio <= asked, runs)


def _median(runs: Iterable[Used], figure: Callable[[Used], float]) -> float:
    return median(figure(used) for used in runs)


def _database(here: Stage, count: int) -> str:
    file = here.folder / "customers.db"
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
