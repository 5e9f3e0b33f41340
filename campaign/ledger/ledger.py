"""The ledger: the one place that decides, durably and for every run and machine at once, who may be dialed.

Promises that a claim is committed before anybody dials, that of any number of runs at most one gets it, and that
each fact is recorded once: a transition says whether it was the one that made the change.
SQLite (a file, WAL, mode 0600) and PostgreSQL run the same code. Writes that arrive together share a transaction.
The tables are described in docs/reference/ledger.md.
"""

import asyncio
import logging
from datetime import datetime
from typing import Any, Literal, TypeAlias

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from campaign.attempts import Attempt, AttemptState, Claim
from campaign.buckets import Bucket
from campaign.errors import LedgerError
from campaign.intake import ERASED, without_numbers
from campaign.ledger.claims.judging import ClaimRequest, Decide
from campaign.ledger.claims.limits import LimitReached
from campaign.ledger.database.urls import default_url
from campaign.ledger.notekeeping import LedgerNotes
from campaign.ledger.reader import CampaignTotals
from campaign.ledger.schema import call_attempts, settlements
from campaign.ledger.transaction import Transaction
from campaign.ledger.transitions import CallEnd, Move
from campaign.ledger.writer import Pending
from campaign.rules import Never, NotNow

__all__ = ["CallEnd", "CampaignTotals", "ClaimRequest", "Decide", "Ledger", "default_url"]

logger = logging.getLogger(__name__)

AdoptedBy: TypeAlias = Literal["key", "match", "person"]
"""How the call of an uncertain attempt was found: its record carries our key; number, time and agent; a person said."""

_COLUMNS = call_attempts.c


class Ledger(LedgerNotes):
    """Opened once per run: `async with Ledger(url) as ledger`. It belongs to the event loop that opens it.

    Whatever reads or writes raises `LedgerError` if that could not be done; a report that could not be written leaves
    the attempt as it was.

    Args:
        url: SQLAlchemy URL. `sqlite:///calls.db` and `postgresql://…` may leave out the async driver's name.
        clock: Where the time comes from. Where it is the machine's own, PostgreSQL's clock corrects it, so that
            machines whose clocks differ agree on leases and hours.
        patience_seconds: How long a read or a write may wait for the database.
        erasure_log: The file in which erasures are logged next to the ledger; by default `….erasures` next to a SQLite
            file, and none for PostgreSQL.
        keep: How long what nobody's protection needs is kept.

    Raises:
        LedgerError: The URL names no database this program can use.
    """

    # -- claims --------------------------------------------------------------------------------------------------

    async def claim(self, request: ClaimRequest) -> Claim | NotNow | Never | LimitReached:
        """Write the row that gives the right to dial, if the rules and the limits allow it now.

        When it returns a `Claim`, the row is durable and nobody else holds the same attempt. A caller that is
        cancelled while it waits leaves no claim behind: what was written is released again.

        Returns:
            The claim, or why there is none now; nobody of a campaign on hold gets one. Where a limit is reached,
            ask again only if it says that room may be left.

        Raises:
            LedgerError: It could not be written: do not dial.
        """
        if not _is_writable(request.recipient_id):
            return Never(Bucket.BAD_ROW, "its id holds characters that no database keeps")
        await self.name_opt_out_fields(request.opt_out_fields)
        await self.note_policy(request.policy, request.stated)
        pending = self._submit(request)
        try:
            answer: Claim | NotNow | Never | LimitReached = await asyncio.shield(pending.answer)
        except asyncio.CancelledError:
            if not pending.withdraw():
                _ = self._database.keep(self._give_back(pending))
            raise
        return answer

    async def _give_back(self, pending: Pending) -> None:
        await asyncio.wait([pending.answer])
        if pending.answer.exception() is not None or not isinstance(claim := pending.answer.result(), Claim):
            return
        facts = {"error": "the run was cancelled before the call was placed"}
        try:
            await self._writer.submit(Move(AttemptState.RELEASED, facts, claim.call_key, turn=claim.turn)).answer
        except LedgerError as error:
            logger.warning("A claim could not be given back; its lease makes it uncertain: %s", error)

    async def release(
        self,
        claim: Claim,
        *,
        error: str | None = None,
        message_key: str | None = None,
        status_code: int | None = None,
        denied_at: datetime | None = None,
    ) -> bool:
        """The call was surely not placed: the same attempt may be claimed again. True if this made the change.

        Args:
            error: Why it was not.
            message_key: Hamsa's key of the error.
            status_code: Of Hamsa's answer, if there was one.
            denied_at: When the turn began to which Hamsa said no, if it did. What is known of an earlier one stays.

        Raises:
            LedgerError: It could not be written; as for every report, the attempt then stays as it was.
        """
        facts = {"error": error, "message_key": message_key, "status_code": status_code, "denied_at": denied_at}
        return await self._report(Move(AttemptState.RELEASED, facts, claim.call_key, turn=claim.turn))

    async def refuse(
        self,
        claim: Claim,
        *,
        error: str,
        message_key: str | None = None,
        status_code: int | None = None,
        denied_at: datetime | None = None,
    ) -> bool:
        """Hamsa said no; the arguments are as for `release`. True if this made the change."""
        facts = {"error": error, "message_key": message_key, "status_code": status_code, "denied_at": denied_at}
        return await self._report(Move(AttemptState.REFUSED, facts, claim.call_key, turn=claim.turn))

    async def mark_uncertain(
        self,
        claim: Claim,
        *,
        error: str,
        answer: str | None = None,
        message_key: str | None = None,
        status_code: int | None = None,
        denied_at: datetime | None = None,
    ) -> bool:
        """A POST went out, and nobody knows whether there is a call. True if this made the change.

        Args:
            error: Why it is uncertain; what settling finds takes its place.
            answer: What came of the POST. It stays, whatever is found.
            message_key: Hamsa's key of the error.
            status_code: Of the answer.
            denied_at: As for `release`.
        """
        facts = {
            "error": error,
            "answer": answer,
            "message_key": message_key,
            "status_code": status_code,
            "denied_at": denied_at,
        }
        return await self._report(Move(AttemptState.UNCERTAIN, facts, claim.call_key, turn=claim.turn))

    async def place(
        self,
        call_key: str,
        job_id: str,
        *,
        status: str | None = None,
        record: dict[str, Any] | None = None,
        echoed: bool = False,
        placed_at: datetime | None = None,
        created_at: datetime | None = None,
        adopted_by: AdoptedBy | None = None,
    ) -> bool:
        """Hamsa has the call: note its job id. True if this made the change.

        Args:
            status: What Hamsa shows of it.
            echoed: Whether its record, asked for at Hamsa, held our key.
            placed_at: When it was placed, by our clock; now, if that is not known.
            created_at: When Hamsa says that it was made, by Hamsa's clock, in the answer to our request.
            adopted_by: How settling found it; None if Hamsa's answer or an event named it.

        Raises:
            JobConflict: Another attempt owns this job id, or this attempt already has a different one.
            LedgerError: It could not be written.
        """
        facts = {
            "job_id": job_id,
            "status": status,
            "record": record,
            "echoed": echoed,
            "placed_at": placed_at or self.now(),
            "created_at": created_at,
            "adopted_by": adopted_by,
        }
        return await self._report(Move(AttemptState.PLACED, facts, call_key))

    async def end(self, end: CallEnd, *, call_key: str | None = None, job_id: str | None = None) -> bool:
        """The call is over. True for the first who says so; later reports only fill in what was missing.

        Args:
            call_key: Which attempt, by its key …
            job_id: … or by Hamsa's job id. With both, the job id is noted as well.

        Raises:
            JobConflict: As for `place`.
            LedgerError: It could not be written.
        """
        facts = {
            "status": end.status,
            "ended_at": end.ended_at or self.now(),
            "duration_seconds": end.duration_seconds,
            "cost": end.cost,
            "outcome": end.outcome,
            "record": end.record,
            "opted_out": end.opted_out,
            "echoed": end.echoed,
            "error": end.error,
        }
        if call_key is not None:
            facts["job_id"] = job_id
        return await self._report(Move(AttemptState(end.state), facts, call_key, job_id))

    async def prove_absent(self, attempt: Attempt, *, reason: str) -> bool:
        """Settled: Hamsa never had this call. True if this made the change.

        It does not if the attempt was looked at by somebody else since it was read: that look may have shown more.
        """
        return await self._report(
            Move(AttemptState.NOT_PLACED, {"error": reason}, attempt.call_key, turn=attempt.tries, looks=attempt.looks)
        )

    async def note_look(self, attempt: Attempt, *, reason: str, counts: bool) -> None:
        """Remember that Hamsa's list was searched for an uncertain attempt, and what was (not) found.

        Args:
            reason: What the look showed, for the report.
            counts: Whether it was a complete look without a trace of the call: one step towards absence. It is
                none if somebody else looked since the attempt was read.
        """
        facts = {"looks": attempt.looks + 1 if counts else 0, "looked_at": self.now(), "error": reason}
        looks = attempt.looks if counts else None
        await self._report(Move(None, facts, attempt.call_key, turn=attempt.tries, looks=looks))

    async def note_missing(self, call_key: str, *, reason: str, status: str | None = None) -> None:
        """Remember of a placed call without an end what Hamsa shows of it, or that it shows nothing of it."""
        facts = {"error": reason} if status is None else {"error": reason, "status": status}
        await self._report(Move(AttemptState.PLACED, facts, call_key, notes=True))

    async def settle_by_hand(self, attempt: Attempt, *, rang: bool, who: str, why: str) -> bool:
        """A person says whether the phone of an uncertain attempt rang. True if this made the change.

        Args:
            attempt: In state `uncertain`.
            rang: Then it is `completed`, and counts; otherwise it is `not_placed`, and may be dialed again.
            who: Who says so.
            why: How they know.
        """
        what = "rang" if rang else "did not ring"
        facts: dict[str, Any] = {"error": f"settled by hand: {who} says that the phone {what} ({without_numbers(why)})"}
        if rang:
            facts |= {"ended_at": attempt.lease_until, "adopted_by": "person"}
        to = AttemptState.COMPLETED if rang else AttemptState.NOT_PLACED
        move = Move(to, facts, attempt.call_key, turn=attempt.tries, only_from=AttemptState.UNCERTAIN)

        async def write(connection: AsyncConnection) -> bool:
            # In one transaction: no attempt is settled by nobody.
            (changed,) = await Transaction(connection, self._database, [move]).apply()
            if isinstance(changed, Exception):
                raise changed
            if changed:
                said = why if attempt.erasure is None else ERASED
                row = {"call_key": attempt.call_key, "settled_at": self.now(), "rang": rang, "who": who, "why": said}
                await connection.execute(insert(settlements).values(row))
            return bool(changed)

        return await self._transact(write)

    async def expire_leases(self) -> int:
        """Turn every claim whose lease ran out into an uncertain attempt. Returns how many."""

        async def expire(connection: AsyncConnection) -> int:
            now = self.now()
            lapsed = (_COLUMNS.state == AttemptState.CLAIMED, _COLUMNS.lease_until < now)
            keys = select(_COLUMNS.call_key).where(*lapsed)
            if not self.is_file:  # in the order in which every other transaction locks rows
                keys = keys.order_by(_COLUMNS.call_key).with_for_update()
            changed = await connection.execute(
                update(call_attempts)
                .where(_COLUMNS.call_key.in_(keys), *lapsed)
                .values(
                    state=AttemptState.UNCERTAIN,
                    updated_at=now,
                    error="the run that claimed it stopped before it noted how the call went",
                )
            )
            return int(changed.rowcount)

        return await self._transact(expire)


def _is_writable(value: str) -> bool:
    try:
        return b"\x00" not in value.encode()
    except UnicodeEncodeError:
        return False
