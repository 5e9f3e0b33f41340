"""The ledger: the one place that decides, durably and for every run and machine at once, who may be dialed.

Promises that a claim is committed before anybody dials, that of any number of runs at most one gets it, and that
each fact is recorded once: a transition says whether it was the one that made the change.
SQLite (a file, WAL, mode 0600) and PostgreSQL run the same code. Writes that arrive together share a transaction.
The tables are described in docs/reference/ledger.md.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, TypeAlias, TypeVar

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from campaign.attempts import Attempt, AttemptState, Claim
from campaign.buckets import Bucket
from campaign.clock import Clock, SystemClock
from campaign.errors import LedgerError
from campaign.finishing import finish
from campaign.intake import ERASED
from campaign.ledger.claims import ClaimRequest, Decide, LimitReached, opt_out, opt_outs_query
from campaign.ledger.cleaner import Cleaner, Keep
from campaign.ledger.database import Database, default_url, lock, lock_fields
from campaign.ledger.erasure import Erasures
from campaign.ledger.erasure.pseudonyms import pseudonyms_among, without_erased
from campaign.ledger.notes import (
    AT_ONCE,
    Approval,
    Refusal,
    file_key,
    lift,
    name_fields,
    note_agent,
    note_opt_outs,
    note_policy,
    note_refusals,
    note_searched,
    of_erased,
    opt_out_of_list,
    said_in_the_past,
    unsearched,
    write_answer,
    write_question,
)
from campaign.ledger.reader import CampaignTotals, LedgerReader
from campaign.ledger.schema import call_attempts, campaigns, prepare, settlements
from campaign.ledger.transitions import CallEnd, Move
from campaign.ledger.writer import Pending, Writer
from campaign.rules import LIST, Never, NotNow, OptOut, field_key

__all__ = ["CallEnd", "CampaignTotals", "ClaimRequest", "Decide", "Ledger", "default_url"]

logger = logging.getLogger(__name__)

T = TypeVar("T")

AdoptedBy: TypeAlias = Literal["key", "match", "person"]
"""How the call of an uncertain attempt was found: its record carries our key; number, time and agent; a person said."""

PATIENCE_SECONDS = 30.0
"""How long a read or a write waits for the database, or for another program that writes to it."""

_COLUMNS = call_attempts.c


class Ledger(LedgerReader):
    """Opened once per run: `async with Ledger(url) as ledger`. It belongs to the event loop that opens it.

    Args:
        url: SQLAlchemy URL. `sqlite:///calls.db` and `postgresql://…` may leave out the async driver's name.
        clock: Where the time comes from. Where it is the machine's own, PostgreSQL's clock corrects it, so that
            machines whose clocks differ agree on leases and hours.
        patience_seconds: How long a read or a write may wait for the database.
        erasure_log: The file in which erasures are logged beside the ledger; by default `….erasures` beside a SQLite
            file, and none for PostgreSQL.
        keep: How long what nobody's protection needs is kept.

    Raises:
        LedgerError: The URL names no database this program can use.
    """

    def __init__(
        self,
        url: str,
        *,
        clock: Clock | None = None,
        patience_seconds: float = PATIENCE_SECONDS,
        erasure_log: Path | None = None,
        keep: Keep | None = None,
    ) -> None:
        self._keep = keep or Keep()
        clock = clock or SystemClock()
        super().__init__(Database(url, clock=clock, patience_seconds=patience_seconds))
        self._writer = Writer(self._database)
        self._closing = False
        self._naming = asyncio.Lock()
        self._named: set[str] = set()
        self._known_policies: set[str] = set()
        self._cleaner = Cleaner(self._keep, self._transact, clock=clock, now=self.now)
        self.erasures = Erasures(self._database, self._transact, erasure_log)

    # -- opening and closing -------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def open(self) -> None:
        """Connect, and create or migrate the tables.

        Raises:
            LedgerTooNew: A newer program wrote it.
            LedgerError: It cannot be reached or created.
        """
        if self._database.is_open:
            return
        self._writer = Writer(self._database)  # a fresh one: it belongs to the event loop that opens the ledger
        self._closing = False
        self._naming, self._named, self._known_policies = asyncio.Lock(), set(), set()
        async with self._database.reporting("opened"):
            await self._database.open()
            try:
                await self._writer.run(self._prepare)
                await self.erasures.begin()
                if self._keep.records is not None:
                    self._cleaner.start()
            except BaseException:
                await self._database.close()
                raise

    async def _prepare(self, connection: AsyncConnection) -> None:
        await connection.run_sync(prepare, self._database.now, self.name)

    async def close(self) -> None:
        """Finish the writes that wait, then disconnect. A cancellation is let through when that is done."""
        await finish(self._close())

    async def _close(self) -> None:
        await self._cleaner.stop()
        self._closing = True
        await self._database.finish()
        await self._writer.finish()
        await self._database.close()

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

    async def release(self, claim: Claim, *, error: str | None = None) -> bool:
        """The call was surely not placed: the same attempt may be claimed again. True if this made the change.

        Raises:
            LedgerError: It could not be written; as for every report, the attempt then stays as it was.
        """
        return await self._report(Move(AttemptState.RELEASED, {"error": error}, claim.call_key, turn=claim.turn))

    async def refuse(
        self, claim: Claim, *, error: str, message_key: str | None = None, status_code: int | None = None
    ) -> bool:
        """Hamsa said no. True if this made the change."""
        facts = {"error": error, "message_key": message_key, "status_code": status_code}
        return await self._report(Move(AttemptState.REFUSED, facts, claim.call_key, turn=claim.turn))

    async def mark_uncertain(
        self,
        claim: Claim,
        *,
        error: str,
        answer: str | None = None,
        message_key: str | None = None,
        status_code: int | None = None,
    ) -> bool:
        """A POST went out, and nobody knows whether there is a call. True if this made the change.

        Args:
            claim: Whose POST.
            error: Why it is uncertain; what settling finds takes its place.
            answer: What came of the POST. It stays, whatever is found.
            message_key: Hamsa's key of the error.
            status_code: Of the answer.
        """
        facts = {"error": error, "answer": answer, "message_key": message_key, "status_code": status_code}
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
            call_key: Which attempt.
            job_id: Its job.
            status: What Hamsa shows of it.
            record: Its job record.
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
            end: How it ended.
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
            Move(
                AttemptState.NOT_PLACED,
                {"error": reason},
                attempt.call_key,
                turn=attempt.tries,
                looks=attempt.looks,
            )
        )

    async def note_look(self, attempt: Attempt, *, reason: str, counts: bool) -> None:
        """Remember that Hamsa's list was searched for an uncertain attempt, and what was (not) found.

        Args:
            attempt: The uncertain attempt.
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
        told = f"settled by hand: {who} says that the phone {'rang' if rang else 'did not ring'} ({why})"
        facts: dict[str, Any] = {"error": told}
        if rang:
            facts |= {"ended_at": attempt.lease_until, "adopted_by": "person"}
        to = AttemptState.COMPLETED if rang else AttemptState.NOT_PLACED
        changed = await self._report(Move(to, facts, attempt.call_key, turn=attempt.tries))
        if changed:
            said = why if attempt.erasure is None else ERASED
            row = {"call_key": attempt.call_key, "settled_at": self.now(), "rang": rang, "who": who, "why": said}

            async def write(connection: AsyncConnection) -> None:
                await connection.execute(insert(settlements).values(row))

            await self._transact(write)
        return changed

    async def expire_leases(self) -> int:
        """Turn every claim whose lease ran out into an uncertain attempt. Returns how many.

        Raises:
            LedgerError: It could not be written.
        """

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
                    error="the run that claimed it went away before it told what became of the call",
                )
            )
            return int(changed.rowcount)

        return await self._transact(expire)

    # -- people who want no more calls -----------------------------------------------------------------------------

    async def name_opt_out_fields(self, fields: Iterable[str]) -> None:
        """Make known which outcome fields mean *no more calls*: from now on every outcome is read by them, too.

        A field that is new to the ledger is looked for in all outcomes that it holds, once.

        Raises:
            LedgerError: They could not be read or written.
        """
        if not (new := {field_key(name) for name in fields} - self._named - {""}):
            return
        async with self._naming:
            if unknown := await unsearched(self._database, new - self._named):

                async def name(connection: AsyncConnection) -> None:
                    await lock_fields(connection, shared=False)
                    await name_fields(connection, unknown, self.now())

                await self._transact(name)
                await self._search(unknown)
            self._named |= new

    async def _search(self, fields: Collection[str]) -> None:
        after: str | None = ""
        while after is not None:
            found, after = await said_in_the_past(self._database, fields, after, self.now())
            last = after is None

            async def note(connection: AsyncConnection, found: Sequence[OptOut] = found, last: bool = last) -> None:
                await note_opt_outs(connection, found)
                if last:
                    await note_searched(connection, fields, self.now())

            if found or last:
                await self._transact(note)

    async def add_opt_outs(self, people: Iterable[tuple[str | None, str | None]], *, origin: str) -> tuple[int, int]:
        """Keep people of another channel's list, who want no more calls.

        Args:
            people: For each the number (E.164) and the id; one of them may be missing.
            origin: What the list is called, for whoever asks why somebody is not called.

        Returns:
            How many are new, and how many of these a person had lifted before: they are on the list again.

        Raises:
            LedgerError: They could not be read or written.
        """
        wanted = list(dict.fromkeys(each for each in people if any(each)))
        phones, persons = {phone for phone, _ in wanted if phone}, {person for _, person in wanted if person}

        async def add(connection: AsyncConnection) -> tuple[int, int]:
            await lock(connection, {f"p:{phone}" for phone in phones} | {f"h:{person}" for person in persons})
            erased = await pseudonyms_among(self._database, phones, persons, connection)
            whose = (erased.added_to(phones), erased.added_to(persons))
            rows = await connection.execute(*opt_outs_query(self._database, *whose, lifted=True))
            known = [each for row in rows if (each := erased.named(opt_out(row))).source == LIST]
            held = {(each.phone, each.person) for each in known if each.lifted_at is None}
            before = {(each.phone, each.person) for each in known}
            new = [each for each in wanted if each not in held]
            now = self.now()
            kept = await without_erased(self._database, connection, new)
            await note_opt_outs(connection, [opt_out_of_list(*each, origin, now) for each in kept])
            return len(new), sum(each in before for each in new)

        return await self._transact(add)

    async def lift_opt_outs(
        self, *, by: str, because: str, phone: str | None = None, person: str | None = None
    ) -> list[OptOut]:
        """Let somebody be called again: whatever bars this number or this person is lifted, and kept with who and why.

        Returns:
            What was lifted; nothing if nothing barred them.

        Raises:
            LedgerError: It could not be written.
        """
        now = self.now()

        async def write(connection: AsyncConnection) -> list[str]:
            await lock(connection, [f"{kind}:{whose}" for kind, whose in (("p", phone), ("h", person)) if whose])
            phones, persons = [phone] if phone else [], [person] if person else []
            erased = await pseudonyms_among(self._database, phones, persons, connection)
            whose = {"phones": erased.added_to(phones), "persons": erased.added_to(persons)}
            return await lift(connection, **whose, by=by, because=because, now=now)

        ids = set(await self._transact(write))
        found = await self.opt_outs([phone] if phone else [], [person] if person else [], lifted=True)
        return [each for each in found if each.opt_out_id in ids]

    # -- why somebody was called, or was not -----------------------------------------------------------------------

    async def note_policy(self, version: str | None, stated: Mapping[str, Any]) -> None:
        """Keep what a policy's version stands for: before the first claim or refusal that names it.

        Raises:
            LedgerError: It could not be written.
        """
        if version is None or version in self._known_policies:
            return
        now = self.now()
        await self._transact(lambda connection: note_policy(connection, version, stated, now))
        self._known_policies.add(version)

    async def note_refusals(self, found: Sequence[Refusal]) -> None:
        """Keep why somebody was not called; what is too old is forgotten meanwhile.

        Raises:
            LedgerError: It could not be written.
        """
        for first in range(0, len(found), AT_ONCE):
            part = found[first : first + AT_ONCE]

            async def note(connection: AsyncConnection, part: Sequence[Refusal] = part) -> None:
                await lock(connection, ())
                pairs = await without_erased(
                    self._database, connection, [(each.phone, each.recipient_id) for each in part]
                )
                kept = [of_erased(each, *pair) for each, pair in zip(part, pairs, strict=True)]
                await note_refusals(connection, kept)

            await self._transact(note)
        if found:
            self._cleaner.start()

    async def hold(self, campaign: str, *, note: str, held_by: str | None = None, on: bool = True) -> None:
        """Put a campaign on hold (no run gets a claim for it), or resume it with `on=False`.

        Args:
            campaign: Its name.
            note: Why, for the report of whatever runs it meanwhile.
            held_by: Who does so.
            on: Whether it is on hold from now on.

        Raises:
            LedgerError: It could not be written.
        """

        async def write(connection: AsyncConnection) -> None:
            await lock(connection, [f"c:{campaign}"])
            values = {"on_hold": on, "note": note, "held_by": held_by if on else None, "changed_at": self.now()}
            changed = await connection.execute(update(campaigns).where(campaigns.c.campaign == campaign).values(values))
            if changed.rowcount == 0:
                await connection.execute(insert(campaigns).values(campaign=campaign, **values))

        await self._transact(write)

    async def keep_question(self, approval: Approval) -> None:
        """Remember what a person is asked to approve, before they are.

        Raises:
            LedgerError: It could not be written.
        """
        await self._transact(lambda connection: write_question(connection, approval))

    async def keep_answer(self, approval: Approval) -> None:
        """Remember what was answered.

        Raises:
            LedgerError: It could not be written.
        """
        await self._transact(lambda connection: write_answer(connection, approval))

    async def file_key(self, key_name: str, said: str | None) -> str:
        """Say under which account the attempts of a key are filed; see `campaign.ledger.notes.accounts.file_key`.

        Raises:
            LedgerError: It could not be written.
        """
        return await self._transact(lambda connection: file_key(connection, key_name, said, self.now()))

    async def note_agent(self, campaign: str, agent_id: str, updated_at: datetime) -> datetime | None:
        """Remember when the agent of a campaign was last changed.

        Returns:
            The same as it was when the campaign last ran with this agent; None if it never did.

        Raises:
            LedgerError: It could not be written.
        """
        return await self._transact(
            lambda connection: note_agent(connection, campaign, agent_id, updated_at, self.now())
        )

    # -- writing -------------------------------------------------------------------------------------------------

    def _submit(self, write: ClaimRequest | Move) -> Pending:
        self._check_open()
        return self._writer.submit(write)

    async def _report(self, move: Move) -> bool:
        # A report is a fact: it is written even if whoever brought it is cancelled meanwhile.
        return bool(await asyncio.shield(self._submit(move).answer))

    async def _transact(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        self._check_open()

        async def run() -> T:
            async with self._database.reporting("written"):
                return await self._writer.run(work)

        return await asyncio.shield(self._database.keep(run()))

    def _check_open(self) -> None:
        if self._closing or not self._database.is_open:
            raise LedgerError(f"The ledger {self.name} is not open.")


def _is_writable(value: str) -> bool:
    try:
        return b"\x00" not in value.encode()
    except UnicodeEncodeError:
        return False
