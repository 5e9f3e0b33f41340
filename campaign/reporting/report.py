"""What a campaign run came to: counts that add up, and a page that a manager can read.

Promises that every row read is counted in exactly one bucket, and that nothing here shows a phone number unmasked.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from campaign.attempts import Attempt
from campaign.buckets import Bucket
from campaign.intake.numbers import mask
from campaign.reporting.masking import masked_outcome
from campaign.reporting.results import Result
from campaign.reporting.stops import Stop
from campaign.rules.decision import why_and_from_when

MOST_REASONS = 12
"""Different reasons kept per bucket; the rest are counted together."""

LONGEST_OUTCOME = 2000
"""Characters of an outcome in a table of records; the ledger has all of it."""

OTHER_REASONS = "other reasons"

_ROW = re.compile(r"\brow \d+\b")

BAR_WIDTH = 24


class CampaignReport(BaseModel):
    """The counts of one run. `buckets` adds up to `rows_read`; both are checked when it is made.

    Attributes:
        campaign: The campaign's name.
        run_id: The run that made this report.
        dry_run: Whether nobody was called on purpose.
        started_at: When the run began, UTC.
        ended_at: When it was over, UTC.
        rows_read: Upstream rows.
        buckets: Rows by bucket (`campaign.buckets.Bucket`), without the empty ones.
        reasons: For each bucket, rows by reason; beyond a dozen reasons the rest are counted together.
        calls: Calls that this run placed or may have placed.
        minutes: Minutes talked in this run's calls.
        cost: What this run's calls cost, as far as Hamsa told, in Hamsa's currency.
        followed: Calls of earlier runs that this run followed or settled, by the state they came to.
        stopped: Why the run ended early, if it did.
        stop_kind: The same for programs: a kind of `campaign.reporting.stops.StopKind`.
        failed: Whether it ended early for a reason that somebody must mend.
        next_opening: When the first of the deferred may be called, UTC.
    """

    model_config = ConfigDict(extra="forbid")

    campaign: str
    run_id: str
    dry_run: bool = False
    started_at: datetime
    ended_at: datetime
    rows_read: int = Field(ge=0)
    buckets: dict[Bucket, int]
    reasons: dict[Bucket, dict[str, int]] = {}
    calls: int = Field(default=0, ge=0)
    minutes: float = 0.0
    cost: float = 0.0
    followed: dict[str, int] = {}
    stopped: str | None = None
    stop_kind: str | None = None
    failed: bool = False
    next_opening: datetime | None = None

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        total = sum(self.buckets.values())
        if total != self.rows_read:
            raise ValueError(
                f"{self.rows_read} rows were read, but the buckets hold {total}: a row was lost or doubled"
            )
        return self

    @property
    def headline(self) -> str:
        """One sentence: how it went."""
        if self.rows_read == 0:
            return "There was nobody to call: the source gave no rows."
        if self.dry_run:
            would = self.buckets.get(Bucket.WOULD_CALL, 0)
            return f"Dry run: {_count(would, 'customer')} of {self.rows_read} would be called now; nobody was."
        called = self.in_group("called")
        parts = [
            f"{count} {bucket.label}" for bucket, count in self.buckets.items() if bucket.group == "called" and count
        ]
        sentence = f"{called} of {_count(self.rows_read, 'customer')} called"
        if parts:
            sentence += ": " + ", ".join(parts)
        already = self.buckets.get(Bucket.ALREADY_CALLED, 0)
        if not called and already:
            sentence = (
                f"Nobody was called again: {already} of {_count(self.rows_read, 'customer')} had been called before"
            )
        return f"{sentence}. Stopped early: {self.stopped}" if self.stopped else f"{sentence}."

    def in_group(self, group: str) -> int:
        """Rows in the buckets of one group: `called`, `later` or `never`."""
        return sum(count for bucket, count in self.buckets.items() if bucket.group == group)

    def summary(self, links: Mapping[str, str] | None = None) -> str:
        """The Markdown page of the run.

        Args:
            links: Titles and addresses of the record tables.
        """
        lines = [f"# {self.campaign}", "", f"**{self.headline}**", ""]
        if self.failed:
            lines += [
                "> Something must be mended before it can go on. Run it again afterwards: it goes on where it was.",
                "",
            ]
        lines += self._figures()
        lines += _table("Called", self._rows("called"), self.rows_read)
        lines += _table("To be called later", self._rows("later"), self.rows_read)
        lines += _table("Not called", self._rows("never"), self.rows_read)
        lines += self._reasons()
        if self.followed:
            told = ", ".join(f"{count} {state.replace('_', ' ')}" for state, count in self.followed.items())
            lines += ["## Calls of earlier runs", "", f"Followed or settled by this run: {told}.", ""]
        if links:
            lines += ["## Records", "", *(f"- [{title}]({address})" for title, address in links.items()), ""]
        return "\n".join(lines)

    def _figures(self) -> list[str]:
        took = (self.ended_at - self.started_at).total_seconds()
        done = self.buckets.get(Bucket.COMPLETED, 0) + self.buckets.get(Bucket.FORWARDED, 0)
        each = f"{self.cost / done:.2f}" if done else "-"
        return [
            "| rows | calls made | minutes talked | cost | cost per conversation | run took |",
            "| ---: | ---: | ---: | ---: | ---: | ---: |",
            f"| {self.rows_read} | {self.calls} | {self.minutes:.1f} | {self.cost:.2f} | {each} | {_span(took)} |",
            "",
        ]

    def _rows(self, group: str) -> list[tuple[str, int]]:
        return [(bucket.label, count) for bucket, count in self.buckets.items() if bucket.group == group and count]

    def _reasons(self) -> list[str]:
        rows = [
            f"| {bucket.label} | {count} | {_cell(reason)} |"
            for bucket, reasons in self.reasons.items()
            for reason, count in reasons.items()
            if reason != bucket.value.replace("_", " ")
        ]
        if not rows:
            return []
        lines = ["## Why", "", "| | rows | reason |", "| --- | ---: | --- |", *rows, ""]
        if self.next_opening is not None:
            lines += [f"The first of those who may be called later: {self.next_opening:%Y-%m-%d %H:%M} UTC.", ""]
        return lines


class Tally:
    """Counts results as they come, in memory that does not grow with the campaign."""

    def __init__(self) -> None:
        self.rows = 0
        self.next_opening: datetime | None = None
        self._buckets: Counter[Bucket] = Counter()
        self._reasons: dict[Bucket, Counter[str]] = {}

    def add(self, bucket: Bucket, reason: str, *, until: datetime | None = None, rows: int = 1) -> None:
        """Count a row, or several at once."""
        if rows <= 0:
            return
        self.rows += rows
        self._buckets[bucket] += rows
        reasons = self._reasons.setdefault(bucket, Counter())
        # What differs from row to row, a time or another row's number, is left to the tables of rows.
        short = _ROW.sub("another row", why_and_from_when(reason)[0])
        reasons[short if short in reasons or len(reasons) < MOST_REASONS else OTHER_REASONS] += rows
        if until is not None and (self.next_opening is None or until < self.next_opening):
            self.next_opening = until

    def add_results(self, results: Iterable[Result]) -> None:
        """Count the results of a batch."""
        for result in results:
            self.add(result.bucket, result.reason, until=result.until)

    def __getitem__(self, bucket: Bucket) -> int:
        return self._buckets[bucket]

    def report(
        self,
        *,
        campaign: str,
        run_id: str,
        started_at: datetime,
        ended_at: datetime,
        rows_read: int,
        dry_run: bool = False,
        calls: int = 0,
        seconds: float = 0.0,
        cost: float = 0.0,
        followed: Mapping[str, int] | None = None,
        stop: Stop | None = None,
    ) -> CampaignReport:
        """The report of the rows counted so far.

        Raises:
            pydantic.ValidationError: The buckets do not add up to `rows_read`: a fault of this program.
        """
        buckets = {bucket: self._buckets[bucket] for bucket in Bucket if self._buckets[bucket]}
        return CampaignReport(
            campaign=campaign,
            run_id=run_id,
            dry_run=dry_run,
            started_at=started_at,
            ended_at=ended_at,
            rows_read=rows_read,
            buckets=buckets,
            reasons={bucket: dict(self._reasons[bucket].most_common()) for bucket in buckets},
            calls=calls,
            minutes=round(seconds / 60, 2),
            cost=round(cost, 4),
            followed=dict(followed or {}),
            stopped=stop.message if stop else None,
            stop_kind=stop.kind if stop else None,
            failed=stop.failed if stop else False,
            next_opening=self.next_opening,
        )


def record_rows(results: Sequence[Result], attempts: Iterable[Attempt]) -> list[dict[str, Any]]:
    """The table of job records: one row per recipient, numbers masked, in the order of `results`."""
    by_key = {attempt.call_key: attempt for attempt in attempts}
    return [record_row(result, by_key.get(result.call_key or "")) for result in results]


def record_row(result: Result, attempt: Attempt | None) -> dict[str, Any]:
    """One row of the table of job records."""
    return {
        "row": result.row,
        "recipient": result.recipient_id or "",
        "number": mask(result.phone) if result.phone else "",
        "status": result.bucket.value,
        "duration (s)": attempt.duration_seconds if attempt else None,
        "cost": attempt.cost if attempt else None,
        "attempt": attempt.attempt if attempt else None,
        "outcome": _outcome(attempt) if attempt else "",
        "error": "" if attempt is not None and attempt.error is None else result.reason,
        "job id": (attempt.job_id or "") if attempt else "",
    }


def attempt_row(attempt: Attempt) -> dict[str, Any]:
    """The same for an attempt of an earlier run, of which there is no row here."""
    return {
        "recipient": attempt.recipient_id,
        "number": mask(attempt.phone),
        "status": attempt.state.value,
        "duration (s)": attempt.duration_seconds,
        "cost": attempt.cost,
        "attempt": attempt.attempt,
        "outcome": _outcome(attempt),
        "error": attempt.error or "",
        "job id": attempt.job_id or "",
    }


def _outcome(attempt: Attempt) -> str:
    fields = masked_outcome(attempt.outcome, attempt.phone) or {}
    told = "; ".join(f"{name}: {value}" for name, value in fields.items() if value not in (None, "", [], {}))
    return told if len(told) <= LONGEST_OUTCOME else told[: LONGEST_OUTCOME - 1] + "…"


def _table(title: str, rows: Sequence[tuple[str, int]], total: int) -> list[str]:
    if not rows:
        return []
    lines = [f"## {title}", "", "| | | rows |", "| --- | :--- | ---: |"]
    lines += [f"| {label} | `{_bar(count, total)}` | {count} |" for label, count in rows]
    return [*lines, ""]


def _bar(count: int, total: int) -> str:
    filled = max(1, round(BAR_WIDTH * count / max(total, 1)))
    return "█" * filled + "░" * (BAR_WIDTH - filled)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _span(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
