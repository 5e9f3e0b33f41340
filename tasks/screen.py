"""Each row goes on to be dialed, or into a bucket with its reason, before a line is spent on it."""

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from campaign.attempts import ENDED, Attempt, PastAttempt
from campaign.buckets import Bucket
from campaign.intake.recipients import BadRow, Recipient
from campaign.intake.screening import Bucketed, CalledBefore, Screen
from campaign.ledger.ledger import Ledger
from campaign.reporting.results import Result
from campaign.rules.decision import Go, Rules, decide, decide_for_good
from campaign.unexpected import redact_unexpected_errors

logger = logging.getLogger(__name__)

Row = Mapping[str, Any] | BadRow

HELD = frozenset({Bucket.OTHER_RUN, Bucket.IN_PROGRESS, Bucket.UNCERTAIN})
"""Somebody's attempt is open: what becomes of the row is known only when that attempt is."""


ROWS_IN_A_ROW = 100
"""Rows read before whatever else is due has its turn, some ten milliseconds: screening must not hold up dialing."""


class Screening:
    """What screening needs, and what came of the last page. One per run; plain, so that Prefect does not walk it.

    Args:
        screen: The rules for rows.
        ledger: Who was called before.
        rules: Asked as a forecast; the claim asks again.
        campaign: Its name.
        run_id: The run.
        dry_run: Whether nobody will be called.
    """

    def __init__(
        self,
        *,
        screen: Screen,
        ledger: Ledger,
        rules: Rules,
        campaign: str,
        run_id: str,
        dry_run: bool = False,
    ) -> None:
        self._screen = screen
        self._ledger = ledger
        self._rules = rules
        self._campaign = campaign
        self._run_id = run_id
        self._dry_run = dry_run
        self.go: list[Recipient] = []
        self.held: list[Recipient] = []
        self.results: list[Result] = []

    async def page(self, rows: Sequence[tuple[int, Row]]) -> None:
        """Screen a page: who goes on is in `go` or `held`, the others are in `results`."""
        self.go, self.held, self.results = [], [], []
        passed, history = await self._read(rows)
        own = await self._own(passed, history)
        now = self._ledger.now()
        for recipient in passed:
            if recipient.row % ROWS_IN_A_ROW == 0:
                await asyncio.sleep(0)
            if recipient.id in own:
                self._end_as(recipient, own[recipient.id])
                continue
            verdict = decide(
                recipient=recipient,
                zones=recipient.zones,
                country=recipient.country,
                history=_of(recipient, history),
                campaign=self._campaign,
                run_id=self._run_id,
                rules=self._rules,
                at=now,
            )
            if isinstance(verdict, Go):
                if self._dry_run:
                    self._end(recipient, Bucket.WOULD_CALL, f"attempt {verdict.attempt}")
                else:
                    self.go.append(recipient)
            elif verdict.bucket in HELD and not self._dry_run:
                self.held.append(recipient)
            else:
                self._end(recipient, verdict.bucket, verdict.reason, until=getattr(verdict, "until", None))

    async def _read(self, rows: Sequence[tuple[int, Row]]) -> tuple[list[Recipient], dict[str, list[PastAttempt]]]:
        """Read a page's rows: who may be called, and what the ledger has of them. Whoever may not has a result."""
        written = {number: seen for number, row in rows if (seen := self._screen.glance(row)) is not None}
        history = await self._ledger.history(
            self._campaign,
            [phone for _, phone in written.values()],
            [recipient_id for recipient_id, _ in written.values()],
        )
        passed: list[Recipient] = []
        for number, row in rows:
            if number % ROWS_IN_A_ROW == 0:
                await asyncio.sleep(0)
            if self._is_over(number, row, written.get(number), history):
                continue
            screened = self._screen.screen(number, row)
            if isinstance(screened, Recipient):
                passed.append(screened)
            else:
                self._leave(screened)
        others = [each for each in passed if written.get(each.row) != (each.id, each.phone)]
        if others:
            found = await self._ledger.history(
                self._campaign, [each.phone for each in others], [each.id for each in others]
            )
            # Of a number or an id that was not asked for, it has a part only.
            for asked in (key for each in others for key in (each.phone, f"id:{each.id}")):
                history[asked] = found.get(asked, [])
        return passed, history

    def _is_over(
        self,
        number: int,
        row: Row,
        written: tuple[str, str] | None,
        history: Mapping[str, Sequence[PastAttempt]],
    ) -> bool:
        """Whether a row is done with because its recipient was called at its number before; its result says why."""
        if written is None:
            return False
        recipient_id, phone = written
        before = history.get(f"id:{recipient_id}", ())
        # What this very run called is its own work, and looked at later.
        if any(past.run_id == self._run_id for past in before) or all(past.phone != phone for past in before):
            return False
        screened = self._screen.screen_called(number, row, phone)
        if isinstance(screened, Bucketed):
            self._leave(screened)
            return True
        verdict = decide_for_good(
            recipient=screened,
            history=_of(screened, history),
            campaign=self._campaign,
            run_id=self._run_id,
            rules=self._rules,
        )
        if verdict is None or verdict.bucket in HELD:
            return False
        self._end(screened, verdict.bucket, verdict.reason)
        return True

    def _leave(self, screened: Bucketed) -> None:
        self.results.append(
            Result(
                row=screened.row,
                recipient_id=screened.recipient_id,
                phone=screened.phone,
                bucket=screened.bucket,
                reason=screened.reason,
            )
        )

    async def again(self, held: Sequence[Recipient]) -> None:
        """Look again at who was held, now that open attempts were followed: who is to be claimed is in `go`."""
        self.go, self.held, self.results = [], [], []
        history = await self._ledger.history(self._campaign, [], [recipient.id for recipient in held])
        own = await self._own(held, history)
        for recipient in held:
            if recipient.id in own:
                self._end_as(recipient, own[recipient.id])
            else:
                self.go.append(recipient)

    async def _own(
        self, recipients: Sequence[Recipient], history: Mapping[str, Sequence[PastAttempt]]
    ) -> dict[str, Attempt]:
        """Whom this very run called before it was retried or resumed: that is its work, and reported as such."""
        ids = [
            recipient.id
            for recipient in recipients
            if any(
                past.run_id == self._run_id and past.state in ENDED for past in history.get(f"id:{recipient.id}", ())
            )
        ]
        if not ids:
            return {}
        found = await self._ledger.attempts(
            campaign=self._campaign, run_id=self._run_id, states=ENDED, recipient_ids=ids
        )
        return {attempt.recipient_id: attempt for attempt in found}

    def _end_as(self, recipient: Recipient, own: Attempt) -> None:
        reason = own.error or own.state.label
        self._end(recipient, Bucket[own.state.name], reason, call_key=own.call_key)

    @property
    def words(self) -> str:
        """What came of the last page, for the run's log: who goes on, and why the others do not, most first."""
        ends = Counter(result.bucket.label for result in self.results)
        parts = [f"{len(self.go)} to be called", *(f"{count} {label}" for label, count in ends.most_common())]
        if self.held:
            parts.insert(1, f"{len(self.held)} wait for what becomes of an earlier call")
        return ", ".join(parts)

    def _end(self, recipient: Recipient | CalledBefore, bucket: Bucket, reason: str, **more: Any) -> None:
        self.results.append(Result.of(recipient, bucket, reason, **more))


def _of(recipient: Recipient | CalledBefore, history: Mapping[str, Sequence[PastAttempt]]) -> list[PastAttempt]:
    by_phone = history.get(recipient.phone, ())
    by_id = history.get("id:" + recipient.id, ())
    if not by_id:
        return list(by_phone)
    return [*by_phone, *(past for past in by_id if past.phone != recipient.phone)]


@task(
    name="screen",
    task_run_name="screen rows {first}-{last}",
    cache_policy=NO_CACHE,
    persist_result=False,
)
@redact_unexpected_errors
async def screen(screening: Screening, page: "Page", first: int, last: int) -> None:
    """Screen one page of rows; `screening` holds what came of it."""
    await screening.page(page.rows)
    logger.info("Rows %d to %d: %s", first, last, screening.words)


class Page:
    """A page of rows, as one plain object: Prefect would look into a list for futures, row by row."""

    __slots__ = ("rows",)

    def __init__(self, rows: Sequence[tuple[int, Row]]) -> None:
        self.rows = rows
