"""What a campaign run came to: counts that add up, and the one sentence that says how it went.

Promises that every row read is counted in exactly one bucket, and that nothing here shows a phone number unmasked.
"""

import re
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from campaign.buckets import Bucket
from campaign.reporting.outcome_counts import OutcomeCounts, OutcomeTally
from campaign.reporting.results import Result
from campaign.rules import why_and_from_when
from campaign.wording import counted, moment

MOST_REASONS = 12
"""Different reasons kept per bucket; the rest are counted together."""

OTHER_REASONS = "other reasons"

WITHOUT_END = frozenset({Bucket.IN_PROGRESS, Bucket.UNCERTAIN})
"""Called, or perhaps called, and nobody knows yet how that ended."""

# What differs from row to row, a time or a number, is left to the tables of rows.
_PARTICULARS = (
    (re.compile(r"\brow \d+\b"), "another row"),
    (re.compile(r", such as job [^\s,]+,"), ","),
    (re.compile(r"\bjob [\w-]*\d[\w-]*"), "a job"),
    (re.compile(r"does not show \d+ of \d+ calls"), "does not show all calls"),
)
_SINCE = re.compile(r"\bsince (\d{4}-\d\d-\d\d \d\d:\d\d UTC)")
_SINCE_THEN = "since \0"


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
        heard: Calls that left an outcome: this run's, and those of earlier runs that it followed.
        outcomes: What these outcomes said, by field: answers by value, sums, dates, and how many are in words.
        calls: Calls that this run placed or may have placed.
        minutes: Minutes talked in this run's calls.
        cost: What this run's calls cost, as far as Hamsa says, in Hamsa's currency.
        followed: Calls of earlier runs that this run followed or settled, by the state they came to.
        stopped: Why the run ended early, if it did.
        stop_kind: The same for programs: a kind of `campaign.reporting.stops.StopKind`.
        failed: Whether it ended early for a reason that somebody must fix.
        next_opening: When the first of the deferred may be called, UTC.
        notes: What somebody should know besides, a sentence each: of the key, the voice agent and its webhook.
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
    heard: int = Field(default=0, ge=0)
    outcomes: dict[str, OutcomeCounts] = {}
    calls: int = Field(default=0, ge=0)
    minutes: float = 0.0
    cost: float = 0.0
    followed: dict[str, int] = {}
    stopped: str | None = None
    stop_kind: str | None = None
    failed: bool = False
    next_opening: datetime | None = None
    notes: list[str] = []

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        total = sum(self.buckets.values())
        if total != self.rows_read:
            raise ValueError(
                f"{self.rows_read} rows were read, but the buckets hold {total}: a row was lost or counted twice"
            )
        return self

    @property
    def headline(self) -> str:
        """A few sentences that count everybody: how it went, who may be called later, who was left out."""
        if self.rows_read == 0:
            return "There was nobody to call: the source gave no rows."
        customers = counted(self.rows_read, "customer")
        called = self.in_group("called")
        already = self.buckets.get(Bucket.ALREADY_CALLED, 0)
        if self.dry_run:
            would = self.buckets.get(Bucket.WOULD_CALL, 0)
            sentence = f"Dry run: {counted(would, 'customer')} of {self.rows_read:,} would be called now; nobody was"
        else:
            counts = {bucket.label: count for bucket, count in self.buckets.items() if bucket.group == "called"}
            if not self.calls and already + called and WITHOUT_END.issuperset(self._called):
                # What has no end yet was called by an earlier run, or is being called by another.
                counts = {"had been called before": already, **counts}
                first, *more = [(label, count) for label, count in counts.items() if count]
                ends = [f"{first[1]:,} of {customers} {first[0]}", *(f"{count:,} {label}" for label, count in more)]
                sentence = f"Nobody was called again: {', '.join(ends)}"
            else:
                ends = [f"{count:,} {label}" for label, count in counts.items()]
                # The calls of earlier runs, and of others, whose end is not known are counted here too.
                elsewhere = f", {called - self.calls:,} of them not by this run" if called > self.calls > 0 else ""
                sentence = f"{called:,} of {customers} called{elsewhere}" + (": " + ", ".join(ends) if ends else "")
                sentence += f"; {already:,} had been called before" if called and already else ""
        return f"{sentence}.{self._others()}" + (f" Stopped early: {self.stopped}" if self.stopped else "")

    @property
    def _called(self) -> set[Bucket]:
        return {bucket for bucket in self.buckets if bucket.group == "called"}

    def _others(self) -> str:
        """Everybody else: who may be called later, who is left for a next run, and who is not called at all."""
        deferred = self.buckets.get(Bucket.DEFERRED, 0)
        left = self.in_group("later") - deferred - self.buckets.get(Bucket.WOULD_CALL, 0)
        out = self.in_group("never") - (0 if self.dry_run else self.buckets.get(Bucket.ALREADY_CALLED, 0))
        when = f", the first from {moment(self.next_opening)}" if self.next_opening is not None else ""
        return (
            (f" {deferred:,} more may be called later{when}." if deferred else "")
            + (f" {left:,} {'is' if left == 1 else 'are'} left for the next run." if left else "")
            + (f" {out:,} {'was' if out == 1 else 'were'} left out." if out else "")
        )

    def in_group(self, group: str) -> int:
        """Rows in the buckets of one group: `called`, `later` or `never`."""
        return sum(count for bucket, count in self.buckets.items() if bucket.group == group)


class Tally:
    """Counts results as they come, in memory that does not grow with the campaign."""

    def __init__(self) -> None:
        self.rows = 0
        self.next_opening: datetime | None = None
        self.outcomes = OutcomeTally()
        self._buckets: Counter[Bucket] = Counter()
        self._reasons: dict[Bucket, Counter[str]] = {}
        self._since: dict[str, set[str]] = {}

    def add(self, bucket: Bucket, reason: str, *, until: datetime | None = None, rows: int = 1) -> None:
        """Count a row, or several at once."""
        if rows <= 0:
            return
        self.rows += rows
        self._buckets[bucket] += rows
        reasons = self._reasons.setdefault(bucket, Counter())
        short = self._short(reason)
        reasons[short if short in reasons or len(reasons) < MOST_REASONS else OTHER_REASONS] += rows
        if until is not None and (self.next_opening is None or until < self.next_opening):
            self.next_opening = until

    def _short(self, reason: str) -> str:
        """A reason without what differs from row to row: `in progress since …` is one reason, whenever that was."""
        short = why_and_from_when(reason)[0]
        for particular, general in _PARTICULARS:
            short = particular.sub(general, short)
        if (since := _SINCE.search(short)) is not None:
            short = _SINCE.sub(_SINCE_THEN, short)
            seen = self._since.setdefault(short, set())
            seen.add(since[1])
            self._since[short] = {min(seen), max(seen)}
        return short

    def _counted(self, bucket: Bucket) -> dict[str, int]:
        """The reasons of a bucket, the most frequent first, with the earliest of the moments that each named."""
        return {self._with_moment(short): count for short, count in self._reasons[bucket].most_common()}

    def _with_moment(self, short: str) -> str:
        seen = sorted(self._since.get(short, ()))
        later = " or later" if len(seen) > 1 else ""
        return short.replace(_SINCE_THEN, f"since {seen[0]}{later}") if seen else short

    def add_results(self, results: Iterable[Result]) -> None:
        """Count the results of a batch."""
        for result in results:
            self.add(result.bucket, result.reason, until=result.until)

    def __getitem__(self, bucket: Bucket) -> int:
        return self._buckets[bucket]

    def counts(self) -> dict[str, Any]:
        """What a `CampaignReport` takes of the rows counted so far."""
        buckets = {bucket: self._buckets[bucket] for bucket in Bucket if self._buckets[bucket]}
        return {
            "buckets": buckets,
            "reasons": {bucket: self._counted(bucket) for bucket in buckets},
            "heard": self.outcomes.heard,
            "outcomes": self.outcomes.counts(),
            "next_opening": self.next_opening,
        }
