"""What the demo shows at the terminal: each step, a bar that moves while calls are made, and a table at the end."""

import asyncio
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from campaign.attempts import ENDED, OPEN, AttemptState
from campaign.buckets import Bucket
from campaign.reporting import CampaignReport
from campaign.wording import counted

_GROUPS = {"called": "Called", "later": "Not called now", "never": "Not called"}


def say_done(console: Console, text: str) -> None:
    """Write that a step is done."""
    console.print(f"[green]✓[/] {escape(text)}")


def say_report(console: Console, report: CampaignReport) -> None:
    """Show where the rows of a report ended, and its headline."""
    table = Table(box=box.SIMPLE_HEAD, show_header=False, show_footer=True, pad_edge=False)
    table.add_column(footer="All customers", no_wrap=True)
    table.add_column(footer=str(report.rows_read), justify="right")
    figures = f"{counted(report.calls, 'call')}, {counted(round(report.minutes), 'minute')}, cost {report.cost:.2f}"
    table.add_column(footer=figures)
    for group, title in _GROUPS.items():
        inside = {bucket: count for bucket, count in report.buckets.items() if bucket.group == group}
        if inside:
            table.add_row(f"[bold]{title}[/]", f"[bold]{sum(inside.values())}[/]")
            for bucket, count in inside.items():
                table.add_row(f"  {bucket.label}", str(count), escape(_reasons(bucket, report)))
            table.add_section()
    console.print(table, soft_wrap=False)
    console.print(escape(report.headline))


def _reasons(bucket: Bucket, report: CampaignReport) -> str:
    reasons = report.reasons.get(bucket, {})
    if bucket.group == "called" and bucket not in (Bucket.UNCERTAIN, Bucket.IN_PROGRESS):
        return ""
    shown = [f"{reason} ({count})" if count > 1 and len(reasons) > 1 else reason for reason, count in reasons.items()]
    return "\n".join(reason for reason in shown if reason != bucket.label)


@asynccontextmanager
async def calls_bar(console: Console, total: int, ledger: Path) -> AsyncIterator[None]:
    """Within this, a bar of `total` calls moves as attempts come into the ledger; no bar if there are none to make."""
    before = attempts_in(ledger)
    columns = (SpinnerColumn(), TextColumn("Calling"), BarColumn(bar_width=30), MofNCompleteColumn())
    more = (TextColumn("{task.fields[words]}"), TimeElapsedColumn())
    with Progress(*columns, *more, console=console, disable=not total) as progress:
        task = progress.add_task("calls", total=total, words="")

        def move() -> None:
            states = attempts_in(ledger) - before
            words = [
                f"{states[state]} {state.label}" for state in (*sorted(ENDED), AttemptState.UNCERTAIN) if states[state]
            ]
            if on_the_line := states[AttemptState.CLAIMED] + states[AttemptState.PLACED]:
                words.append(f"{on_the_line} on the line")
            ended = sum(count for state, count in states.items() if state not in OPEN)
            progress.update(task, completed=ended, words=", ".join(words))

        async def keep_moving() -> None:
            while True:
                await asyncio.sleep(0.2)
                move()

        moving = asyncio.create_task(keep_moving())
        try:
            yield
        finally:
            moving.cancel()
            move()


def attempts_in(ledger: Path) -> Counter[AttemptState]:
    """How many attempts are in which state; none if the ledger is not made yet, or busy: the next look is soon."""
    try:
        with closing(sqlite3.connect(f"{ledger.as_uri()}?mode=ro", uri=True, timeout=1)) as connection:
            rows = connection.execute("SELECT state, count(*) FROM call_attempts GROUP BY state").fetchall()
    except sqlite3.Error:
        return Counter()
    return Counter({AttemptState(state): count for state, count in rows})
