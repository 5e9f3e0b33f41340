"""Pages of rows: each row goes on to be dialed, or into a bucket with its reason, before a line is spent on it."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from campaign.attempts import ENDED, Attempt, PastAttempt
from campaign.buckets import Bucket
from campaign.intake import BadRow, Bucketed, CalledBefore, Recipient, Screen
from campaign.ledger import Histories, Ledger
from campaign.reporting import Result
from campaign.rules import Go, Rules, decide, decide_for_good
from campaign.wording import counted

NumberedRow = tuple[int, Mapping[str, Any] | BadRow]
"""A row with its number upstream, from 1."""

HELD = frozenset({Bucket.OTHER_RUN, Bucket.IN_PROGRESS, Bucket.UNCERTAIN})
"""Somebody's attempt is open: the row's result is known only with that attempt's."""


ROWS_IN_A_ROW = 100
"""Rows read before whatever else is due has its turn, some ten milliseconds: screening must not hold up dialing."""


@dataclass(slots=True)
class Screened:
    """What came of some rows.

    Attributes:
        go: Who is to be dialed.
        held: Whose earlier attempt is open: their result is known only with that attempt's.
        results: Where the other rows ended.
    """

    go: list[Recipient] = field(default_factory=list)
    held: list[Recipient] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)

    def end(self, recipient: Recipient | CalledBefore, bucket: Bucket, reason: str, **more: Any) -> None:
        """A row ends here."""
        self.results.append(Result.of(recipient, bucket, reason, **more))

    def leave(self, row: Bucketed) -> None:
        """A row that makes no recipient ends here."""
        self.results.append(
            Result(row=row.row, recipient_id=row.recipient_id, phone=row.phone, bucket=row.bucket, reason=row.reason)
        )

    @property
    def words(self) -> str:
        """For the run's log: who goes on, and why the others do not, most first."""
        ends = Counter(result.bucket.label for result in self.results)
        parts = [f"{len(self.go)} to be called", *(f"{count} {label}" for label, count in ends.most_common())]
        if self.held:
            parts.insert(1, f"{counted(len(self.held), 'waits', 'wait')} for the result of an earlier call")
        return ", ".join(parts)


class Screener:
    """Screens the rows of one run."""

    def __init__(
        self, *, screen: Screen, ledger: Ledger, rules: Rules, campaign: str, run_id: str, dry_run: bool = False
    ) -> None:
        self._screen = screen
        self._ledger = ledger
        self._rules = rules
        self._campaign = campaign
        self._run_id = run_id
        self._dry_run = dry_run

    @property
    def warnings(self) -> list[str]:
        """What is to be known of the rows' columns."""
        return self._screen.warnings

    async def page(self, rows: Sequence[NumberedRow]) -> Screened:
        """Screen a page of rows.

        Raises:
            LedgerError: The ledger cannot be read.
        """
        into = Screened()
        # A refusal that was never read as one, since no policy named its field, blocks from now on.
        await self._ledger.name_opt_out_fields(self._rules.opt_out_fields)
        passed, history = await self._read(rows, into)
        own = await self._own(passed, history)
        now = self._ledger.now()
        for recipient in passed:
            if recipient.row % ROWS_IN_A_ROW == 0:
                await asyncio.sleep(0)
            if recipient.id in own:
                _end_as(recipient, own[recipient.id], into)
                continue
            blocked = history.opt_out_of(recipient.phone, recipient.who)
            verdict = (
                blocked.as_never()
                if blocked is not None
                else decide(
                    recipient=recipient,
                    history=history.of(recipient.phone, recipient.id, recipient.person),
                    campaign=self._campaign,
                    run_id=self._run_id,
                    rules=self._rules,
                    at=now,
                )
            )
            if isinstance(verdict, Go):
                if self._dry_run:
                    into.end(recipient, Bucket.WOULD_CALL, f"attempt {verdict.attempt}")
                else:
                    into.go.append(recipient)
            elif verdict.bucket in HELD and not self._dry_run:
                into.held.append(recipient)
            else:
                into.end(recipient, verdict.bucket, verdict.reason, until=getattr(verdict, "until", None))
        return into

    async def _read(self, rows: Sequence[NumberedRow], into: Screened) -> tuple[list[Recipient], Histories]:
        """Read a page's rows: who may be called, and what the ledger has of them. Whoever may not has a result."""
        written = {number: seen for number, row in rows if (seen := self._screen.glance(row)) is not None}
        history = await self._ledger.history(
            self._campaign,
            [phone for _, phone in written.values()],
            [recipient_id for recipient_id, _ in written.values()],
            [
                person or recipient_id
                for number, row in rows
                if number in written
                for recipient_id, person in ((written[number][0], self._screen.person(row)),)
            ],
            rules=self._rules,
        )
        passed: list[Recipient] = []
        for number, row in rows:
            if number % ROWS_IN_A_ROW == 0:
                await asyncio.sleep(0)
            if self._is_over(number, row, written.get(number), history, into):
                continue
            screened = self._screen.screen(number, row)
            if isinstance(screened, Recipient):
                passed.append(screened)
            else:
                into.leave(screened)
        others = [each for each in passed if written.get(each.row) != (each.id, each.phone)]
        if others:
            people = [each.who for each in others]
            found = await self._ledger.history(
                self._campaign, [each.phone for each in others], [each.id for each in others], people, rules=self._rules
            )
            # Of a number or an id that was not asked for, it has a part only.
            history.replace(found, [key for each in others for key in (each.phone, f"id:{each.id}")], people)
        return passed, history

    def _is_over(
        self,
        number: int,
        row: Mapping[str, Any] | BadRow,
        written: tuple[str, str] | None,
        history: Histories,
        into: Screened,
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
            into.leave(screened)
            return True
        person = self._screen.person(row)
        if (blocked := history.opt_out_of(phone, person or recipient_id)) is not None:
            into.end(screened, Bucket.OPTED_OUT, blocked.as_never().reason)
            return True
        verdict = decide_for_good(
            screened,
            history.of(phone, recipient_id, person),
            campaign=self._campaign,
            run_id=self._run_id,
            rules=self._rules,
        )
        if verdict is None or verdict.bucket in HELD:
            return False
        into.end(screened, verdict.bucket, verdict.reason)
        return True

    async def again(self, held: Sequence[Recipient]) -> Screened:
        """Look again at who was held, now that open attempts were followed: the claim decides once more."""
        into = Screened()
        history = await self._ledger.history(
            self._campaign, [], [recipient.id for recipient in held], rules=self._rules
        )
        own = await self._own(held, history)
        for recipient in held:
            if recipient.id in own:
                _end_as(recipient, own[recipient.id], into)
            else:
                into.go.append(recipient)
        return into

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


def _end_as(recipient: Recipient, own: Attempt, into: Screened) -> None:
    into.end(recipient, Bucket[own.state.name], own.error or own.state.label, call_key=own.call_key)
