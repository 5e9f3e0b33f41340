"""What the demo shows at the terminal: each step, a bar that moves while calls are made, and a table at the end."""

import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any, Self

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from campaign.attempts import OPEN, AttemptState
from campaign.buckets import Bucket
from examples.demo.place import Place

_GROUPS = {"called": "Called", "later": "Not called now", "never": "Not called"}
_WORDS = {
    AttemptState.COMPLETED: "talked",
    AttemptState.FORWARDED: "forwarded",
    AttemptState.NO_ANSWER: "no answer",
    AttemptState.FAILED: "failed",
    AttemptState.TERMINATED: "broke off",
    AttemptState.UNCERTAIN: "uncertain",
}


class Screen:
    """A terminal, or whatever stands in for one.

    Args:
        console: Where to write.
    """

    def __init__(self, console: Console) -> None:
        self._console = console

    def say(self, text: str) -> None:
        """Write a line."""
        self._console.print(escape(text), highlight=False, soft_wrap=True)

    def done(self, text: str) -> None:
        """Write that a step is done."""
        self._console.print(f"[green]✓[/] {escape(text)}", highlight=False, soft_wrap=True)

    @contextmanager
    def doing(self, text: str) -> Iterator[None]:
        """Show that a step takes its time."""
        with self._console.status(escape(text)):
            yield

    def bar(self, total: int) -> "Bar":
        """A bar that moves to `total` calls."""
        return Bar(self._console, total)

    def table(self, report: Mapping[str, Any]) -> None:
        """Show where the rows of a report ended."""
        table = Table(box=box.SIMPLE_HEAD, show_header=False, show_footer=True, pad_edge=False)
        table.add_column(footer="All customers", no_wrap=True)
        table.add_column(footer=str(report["rows_read"]), justify="right")
        table.add_column(footer=escape(_figures(report)))
        buckets = report["buckets"]
        for group, title in _GROUPS.items():
            inside = {bucket: buckets[bucket] for bucket in Bucket if bucket.group == group and bucket in buckets}
            if not inside:
                continue
            table.add_row(f"[bold]{title}[/]", f"[bold]{sum(inside.values())}[/]")
            for bucket, count in inside.items():
                table.add_row(f"  {bucket.label}", str(count), escape(_reasons(bucket, report)))
            table.add_section()
        self._console.print(table)


class Bar:
    """The bar of calls; `show` moves it to where the ledger is.

    Args:
        console: Where to draw it.
        total: Calls to be made.
    """

    def __init__(self, console: Console, total: int) -> None:
        self._total = total
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("Calling"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TextColumn("{task.fields[words]}"),
            TimeElapsedColumn(),
            console=console,
        )
        self._task: TaskID = self._progress.add_task("calls", total=total, words="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, states: Mapping[AttemptState, int]) -> None:
        """Move it.

        Args:
            states: This run's attempts by state.
        """
        ended = sum(count for state, count in states.items() if state not in OPEN)
        words = [f"{states[state]} {word}" for state, word in _WORDS.items() if states.get(state)]
        on_the_line = states.get(AttemptState.CLAIMED, 0) + states.get(AttemptState.PLACED, 0)
        if on_the_line:
            words.append(f"{on_the_line} on the line")
        self._progress.update(self._task, completed=min(ended, self._total), words=", ".join(words))


class Attempts:
    """The attempts that are in a ledger, read beside whoever writes it.

    Args:
        place: Whose ledger; it need not be there yet.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self._earlier = frozenset(self._read())

    def states(self) -> Counter[AttemptState]:
        """How many attempts that were not there at the beginning are in which state."""
        return Counter(state for key, state in self._read().items() if key not in self._earlier)

    def _read(self) -> dict[str, AttemptState]:
        try:
            with closing(sqlite3.connect(f"{self._place.ledger.as_uri()}?mode=ro", uri=True, timeout=1)) as ledger:
                rows = ledger.execute("SELECT call_key, state FROM call_attempts").fetchall()
        except sqlite3.Error:
            # Not made yet, or busy: the next look is a moment away.
            return {}
        return {key: AttemptState(state) for key, state in rows}


def _reasons(bucket: Bucket, report: Mapping[str, Any]) -> str:
    reasons: Mapping[str, int] = report["reasons"].get(bucket.value, {})
    if bucket.group == "called" and bucket not in (Bucket.UNCERTAIN, Bucket.IN_PROGRESS):
        return ""
    told = [f"{reason} ({count})" if count > 1 and len(reasons) > 1 else reason for reason, count in reasons.items()]
    return "\n".join(reason for reason in told if reason != bucket.label)


def _figures(report: Mapping[str, Any]) -> str:
    return f"{report['calls']} calls, {report['minutes']:.0f} minutes, cost {report['cost']:.2f}"
