"""The ledger: the one place that decides, durably and for every run and machine at once, who may be dialed.

Promises that a claim is committed before anybody dials, that of any number of runs at most one gets it, and that
each fact is recorded once: a transition says whether it was the one that made the change.
SQLite (a file, WAL, mode 0600) and PostgreSQL run the same code. Writes that arrive together share a transaction.
"""

import asyncio
import logging
import os
import uuid
import zlib
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeAlias

from sqlalchemy import (
    URL,
    Connection,
    Select,
    and_,
    bindparam,
    event,
    func,
    insert,
    make_url,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from campaign.attempts import (
    COUNTS,
    ENDED,
    OPEN,
    TRANSITIONS,
    VACANT,
    Attempt,
    AttemptState,
    Claim,
    PastAttempt,
)
from campaign.buckets import Bucket
from campaign.clock import Clock, SystemClock
from campaign.errors import LedgerError
from campaign.rules import Go, Never, NotNow
from campaign.schema import call_attempts, campaigns, prepare

logger = logging.getLogger(__name__)

MAX_BATCH = 256
"""Most writes in one transaction: enough that a disk flush costs little per call, few enough to stay quick."""

LOCK_SLOTS = 4096
"""So many advisory locks are shared by all numbers and recipients on PostgreSQL: a batch never exhausts its lock table."""

BUSY_TIMEOUT_SECONDS = 30.0
"""How long a write waits for another process that writes to the same SQLite file."""

Decide: TypeAlias = Callable[[Sequence[PastAttempt], datetime], Go | NotNow | Never]
"""Given every attempt at this number, and at this recipient in this campaign, and the time: may it be dialed?"""


@dataclass(frozen=True, slots=True)
class ClaimRequest:
    """Who is to be claimed, and the rules that are asked inside the claim's own transaction."""

    campaign: str
    recipient_id: str
    phone: str
    run_id: str
    lease_seconds: float
    decide: Decide
    account: str | None = None
    agent_id: str | None = None


@dataclass(frozen=True, slots=True)
class CallEnd:
    """How a call ended, as far as the reporter knows: a later report fills what is still missing."""

    state: AttemptState
    status: str | None = None
    ended_at: datetime | None = None
    duration_seconds: float | None = None
    cost: float | None = None
    outcome: dict[str, Any] | None = None
    record: dict[str, Any] | None = None
    opted_out: bool = False
    error: str | None = None


@dataclass(slots=True)
class _Move:
    """A transition that waits for its transaction."""

    to: AttemptState | None
    values: dict[str, Any]
    call_key: str | None = None
    job_id: str | None = None
    turn: int | None = None
    future: asyncio.Future[Any] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


@dataclass(slots=True)
class _ClaimOp:
    """A claim that waits for its transaction."""

    request: ClaimRequest
    future: asyncio.Future[Any] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


_COLUMNS = [column.name for column in call_attempts.columns]
_FILL_ONLY = ("placed_at", "status", "duration_seconds", "cost", "outcome", "record", "ended_at", "error")


def default_url(home: Path) -> str:
    """The SQLite file that stands in where nobody named a ledger, below the folder `home`."""
    return f"sqlite+aiosqlite:///{home / 'hamsa' / 'calls.db'}"


class Ledger:
    """Opened once per run: `async with Ledger(url) as ledger`.

    Args:
        url: SQLAlchemy URL. `sqlite:///calls.db` and `postgresql://…` may leave out the async driver's name.
        clock: Where the time comes from. On PostgreSQL the database's own clock corrects it, so that machines
            whose clocks differ agree on leases.

    Raises:
        LedgerError: The URL names no database this program can use.
    """

    def __init__(self, url: str, *, clock: Clock | None = None) -> None:
        self._url = _async_url(url)
        self._clock = clock or SystemClock()
        self._offset = timedelta()
        self._engine: AsyncEngine | None = None
        self._waiting: list[_Move | _ClaimOp] = []
        self._work = asyncio.Event()
        self._writer: asyncio.Task[None] | None = None
        self._late: set[asyncio.Task[None]] = set()

    @property
    def name(self) -> str:
        """The URL as it may be shown: without its password."""
        return self._url.render_as_string(hide_password=True)

    @property
    def is_file(self) -> bool:
        """Whether the ledger is a SQLite file, good for one machine."""
        return self._url.get_backend_name() == "sqlite"

    def now(self) -> datetime:
        """The ledger's time: the clock, corrected by the database's where that is another machine's."""
        return self._clock.now() + self._offset

    # -- opening and closing -------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def open(self) -> None:
        """Connect, create or migrate the tables, and start taking writes.

        Raises:
            LedgerError: It cannot be reached or created, or a newer program wrote it.
        """
        if self._engine is not None:
            return
        if self.is_file:
            _make_private_file(self._url)
        engine = _make_engine(self._url)
        try:
            async with self._reporting("opened"), _writing(engine) as connection:
                if connection.dialect.name == "postgresql":
                    theirs = (await connection.execute(select(func.clock_timestamp()))).scalar_one()
                    self._offset = theirs.astimezone(UTC) - self._clock.now()
                await connection.run_sync(prepare, self.now(), self.name)
        except BaseException:
            await engine.dispose()
            raise
        self._engine = engine
        self._writer = asyncio.create_task(self._write_forever(), name="ledger-writer")

    async def close(self) -> None:
        """Finish the writes that wait, then disconnect."""
        while self._late:
            await asyncio.gather(*self._late, return_exceptions=True)
        if self._writer is not None:
            while self._waiting:
                await asyncio.wait([op.future for op in self._waiting])
                await asyncio.sleep(0)  # the writer clears its list a moment after it answered
            self._writer.cancel()
            await asyncio.gather(self._writer, return_exceptions=True)
            self._writer = None
        if self._engine is not None:
            await self._engine.dispose()
            self._engine = None

    # -- claims --------------------------------------------------------------------------------------------------

    async def claim(self, request: ClaimRequest) -> Claim | NotNow | Never:
        """Write the row that gives the right to dial, if the rules allow it now.

        When it returns a `Claim`, the row is durable and nobody else holds the same attempt. A caller that is
        cancelled while it waits leaves no claim behind: what was written is released again.

        Raises:
            LedgerError: It could not be written: do not dial.
        """
        op = _ClaimOp(request)
        self._enqueue(op)
        try:
            return await asyncio.shield(op.future)
        except asyncio.CancelledError:
            op.future.add_done_callback(self._give_back)
            raise

    def _give_back(self, future: asyncio.Future[Any]) -> None:
        if not future.cancelled() and future.exception() is None and isinstance(future.result(), Claim):
            self._keep(self.release(future.result(), error="the run was cancelled before the call was placed"))

    def _keep(self, work: Awaitable[Any]) -> None:
        async def finish() -> None:
            await work

        task = asyncio.create_task(finish())
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    async def release(self, claim: Claim, *, error: str | None = None) -> bool:
        """The call was surely not placed: the same attempt may be claimed again. True if this made the change."""
        return await self._move(AttemptState.RELEASED, claim.call_key, turn=claim.turn, error=error)

    async def refuse(
        self, claim: Claim, *, error: str, message_key: str | None = None, status_code: int | None = None
    ) -> bool:
        """Hamsa said no. True if this made the change."""
        return await self._move(
            AttemptState.REFUSED,
            claim.call_key,
            turn=claim.turn,
            error=error,
            message_key=message_key,
            status_code=status_code,
        )

    async def doubt(self, claim: Claim, *, error: str, status_code: int | None = None) -> bool:
        """A POST went out and its answer was lost. True if this made the change."""
        return await self._move(
            AttemptState.UNCERTAIN, claim.call_key, turn=claim.turn, error=error, status_code=status_code
        )

    async def place(
        self,
        call_key: str,
        job_id: str,
        *,
        status: str | None = None,
        record: dict[str, Any] | None = None,
        echoed: bool = False,
        placed_at: datetime | None = None,
    ) -> bool:
        """Hamsa has the call: note its job id. True if this made the change.

        Raises:
            LedgerError: Another attempt owns this job id, or this attempt already has a different one.
        """
        return await self._move(
            AttemptState.PLACED,
            call_key,
            job_id=job_id,
            status=status,
            record=record,
            echoed=echoed,
            placed_at=placed_at or self.now(),
            error=None,
        )

    async def end(self, end: CallEnd, *, call_key: str | None = None, job_id: str | None = None) -> bool:
        """The call is over. True for the first who says so; later reports only fill in what was missing.

        Args:
            end: How it ended.
            call_key: Which attempt, by its key …
            job_id: … or by Hamsa's job id. With both, the job id is noted as well.
        """
        values: dict[str, Any] = {
            "status": end.status,
            "ended_at": end.ended_at or self.now(),
            "duration_seconds": end.duration_seconds,
            "cost": end.cost,
            "outcome": end.outcome,
            "record": end.record,
            "opted_out": end.opted_out,
            "error": end.error,
        }
        op = _Move(end.state, values, call_key=call_key, job_id=job_id)
        if call_key is not None and job_id is not None:
            values["job_id"] = job_id
        self._enqueue(op)
        return bool(await asyncio.shield(op.future))

    async def prove_absent(self, attempt: Attempt, *, reason: str) -> bool:
        """Settled: Hamsa never had this call. True if this made the change."""
        return await self._move(AttemptState.NOT_PLACED, attempt.call_key, turn=attempt.tries, error=reason)

    async def note_look(self, attempt: Attempt, *, reason: str, counts: bool) -> None:
        """Remember that Hamsa's list was searched for an uncertain attempt, and what was (not) found.

        Args:
            attempt: The uncertain attempt.
            reason: What the look showed, for the report.
            counts: Whether it was a complete look without a trace of the call: one step towards absence.
        """
        looks = attempt.looks + 1 if counts else 0
        op = _Move(
            None,
            {"looks": looks, "looked_at": self.now(), "error": reason},
            call_key=attempt.call_key,
            turn=attempt.tries,
        )
        self._enqueue(op)
        await asyncio.shield(op.future)

    async def expire_leases(self) -> int:
        """Turn every claim whose lease ran out into an uncertain attempt. Returns how many.

        Raises:
            LedgerError: It could not be written.
        """
        now = self.now()
        async with self._reporting("written"), _writing(self._ready()) as connection:
            result = await connection.execute(
                update(call_attempts)
                .where(call_attempts.c.state == AttemptState.CLAIMED, call_attempts.c.lease_until < now)
                .values(
                    state=AttemptState.UNCERTAIN,
                    updated_at=now,
                    error="the run that claimed it went away before it told what became of the call",
                )
            )
            return int(result.rowcount)

    # -- reading -------------------------------------------------------------------------------------------------

    async def attempts(
        self,
        *,
        campaign: str | None = None,
        states: Collection[AttemptState] = (),
        run_id: str | None = None,
        account: str | None = None,
        call_keys: Collection[str] = (),
    ) -> list[Attempt]:
        """The attempts that match every argument given, oldest first."""
        query = select(call_attempts).order_by(call_attempts.c.claimed_at, call_attempts.c.call_key)
        if campaign is not None:
            query = query.where(call_attempts.c.campaign == campaign)
        if states:
            query = query.where(call_attempts.c.state.in_(sorted(states)))
        if run_id is not None:
            query = query.where(call_attempts.c.run_id == run_id)
        if account is not None:
            query = query.where(call_attempts.c.account == account)
        if call_keys:
            query = query.where(call_attempts.c.call_key.in_(sorted(call_keys)))
        async with self._reading() as connection:
            return [_attempt(row) for row in (await connection.execute(query)).mappings()]

    async def unfinished(
        self, *, account: str | None = None, campaign: str | None = None, call_keys: Collection[str] = ()
    ) -> list[Attempt]:
        """Attempts of which something is still to be learned: claimed, placed or uncertain."""
        return await self.attempts(campaign=campaign, states=OPEN, account=account, call_keys=call_keys)

    async def states(self, call_keys: Collection[str]) -> dict[str, AttemptState]:
        """Where these attempts stand now: a cheap look, for following calls that webhooks report."""
        query = select(call_attempts.c.call_key, call_attempts.c.state).where(
            call_attempts.c.call_key.in_(sorted(call_keys))
        )
        async with self._reading() as connection:
            return {key: AttemptState(state) for key, state in (await connection.execute(query))}

    async def history(
        self, campaign: str, phones: Collection[str], recipient_ids: Collection[str]
    ) -> dict[str, list[PastAttempt]]:
        """Every attempt at these numbers in any campaign, and at these recipients in this one.

        Returns:
            Lists of attempts by `phone`, and by `recipient_id` under the key `"id:" + recipient_id`.
        """
        async with self._reading() as connection:
            rows = await _history_rows(connection, {campaign: set(recipient_ids)}, set(phones))
        found: dict[str, list[PastAttempt]] = defaultdict(list)
        for row in rows:
            past = row.as_past()
            found[past.phone].append(past)
            if past.campaign == campaign:
                found["id:" + past.recipient_id].append(past)
        return found

    async def owned(self, job_ids: Collection[str]) -> dict[str, str]:
        """Which of these Hamsa jobs belong to an attempt: job id to call key."""
        found: dict[str, str] = {}
        async with self._reading() as connection:
            for part in _chunks(sorted(job_ids), 1000):
                rows = await connection.execute(
                    select(call_attempts.c.job_id, call_attempts.c.call_key).where(call_attempts.c.job_id.in_(part))
                )
                found.update({job_id: key for job_id, key in rows if job_id is not None})
        return found

    async def account_echoes(self, account: str | None) -> bool:
        """Whether Hamsa was seen to give back our `call_key` in this account's job records."""
        async with self._reading() as connection:
            row = await connection.execute(
                select(call_attempts.c.call_key)
                .where(call_attempts.c.account == account, call_attempts.c.echoed.is_(True))
                .limit(1)
            )
            return row.first() is not None

    async def totals(self, campaign: str) -> "CampaignTotals":
        """Attempts by state, cost and seconds of a campaign so far, over all its runs."""
        query = (
            select(
                call_attempts.c.state,
                func.count(),
                func.sum(call_attempts.c.cost),
                func.sum(call_attempts.c.duration_seconds),
            )
            .where(call_attempts.c.campaign == campaign)
            .group_by(call_attempts.c.state)
        )
        totals = CampaignTotals()
        async with self._reading() as connection:
            for state, count, cost, seconds in await connection.execute(query):
                totals.states[AttemptState(state)] = count
                totals.cost += cost or 0.0
                totals.seconds += seconds or 0.0
        return totals

    async def on_hold(self, campaign: str) -> str | None:
        """The note of a campaign that was put on hold, or None when it may go on."""
        async with self._reading() as connection:
            row = (
                (await connection.execute(select(campaigns).where(campaigns.c.campaign == campaign))).mappings().first()
            )
        return (row["note"] or "no reason given") if row is not None and row["on_hold"] else None

    async def hold(self, campaign: str, *, note: str, on: bool = True) -> None:
        """Put a campaign on hold (no run dials for it), or let it go on with `on=False`."""
        values = {"on_hold": on, "note": note, "changed_at": self.now()}
        async with self._reporting("written"), _writing(self._ready()) as connection:
            changed = await connection.execute(update(campaigns).where(campaigns.c.campaign == campaign).values(values))
            if changed.rowcount == 0:
                await connection.execute(insert(campaigns).values(campaign=campaign, **values))

    # -- the writer ----------------------------------------------------------------------------------------------

    async def _move(self, to: AttemptState, call_key: str, *, turn: int | None = None, **values: Any) -> bool:
        op = _Move(to, values, call_key=call_key, turn=turn)
        self._enqueue(op)
        return bool(await asyncio.shield(op.future))

    def _enqueue(self, op: _Move | _ClaimOp) -> None:
        self._ready()
        self._waiting.append(op)
        self._work.set()

    async def _write_forever(self) -> None:
        while True:
            await self._work.wait()
            batch = self._waiting[:MAX_BATCH]
            await self._commit(batch)
            del self._waiting[: len(batch)]
            if not self._waiting:
                self._work.clear()

    async def _commit(self, batch: Sequence[_Move | _ClaimOp]) -> None:
        """Write a batch in one transaction and tell each caller; one bad write never takes the others down."""
        try:
            async with self._reporting("written"), _writing(self._ready()) as connection:
                results = await self._apply(connection, batch)
        except LedgerError as error:
            for op in batch:
                _fail(op.future, error)
            return
        except IntegrityError:
            # Two processes met in spite of the locks: one by one, so that only the loser learns of it.
            if len(batch) > 1:
                for op in batch:
                    await self._commit([op])
                return
            results = [_lost_race(batch[0])]
        except Exception as error:  # a fault of ours must reach the callers, not silence the writer
            for op in batch:
                _fail(op.future, error)
            return
        for op, result in zip(batch, results, strict=True):
            if isinstance(result, LedgerError):
                _fail(op.future, result)
            elif not op.future.done():
                op.future.set_result(result)

    async def _apply(self, connection: AsyncConnection, batch: Sequence[_Move | _ClaimOp]) -> list[Any]:
        now = self.now()
        claims = [op for op in batch if isinstance(op, _ClaimOp)]
        moves = [op for op in batch if isinstance(op, _Move)]
        results: dict[int, Any] = {}
        if claims:
            results |= await self._apply_claims(connection, claims, now)
        if moves:
            results |= await self._apply_moves(connection, moves, now)
        return [results[id(op)] for op in batch]

    async def _apply_claims(
        self, connection: AsyncConnection, ops: Sequence[_ClaimOp], now: datetime
    ) -> dict[int, Any]:
        await _lock(connection, [op.request for op in ops])
        wanted: dict[str, set[str]] = defaultdict(set)
        for op in ops:
            wanted[op.request.campaign].add(op.request.recipient_id)
        rows = await _history_rows(connection, wanted, {op.request.phone for op in ops})
        known = _Known(rows)
        results: dict[int, Any] = {}
        inserts: list[dict[str, Any]] = []
        updates: list[dict[str, Any]] = []
        for op in ops:
            request = op.request
            verdict = request.decide(known.past(request), now)
            if not isinstance(verdict, Go):
                results[id(op)] = verdict
                continue
            vacant = known.at(request, verdict.attempt)
            if isinstance(vacant, Never):
                results[id(op)] = vacant
                continue
            row = Attempt(
                call_key=vacant.call_key if vacant else uuid.uuid4().hex,
                campaign=request.campaign,
                recipient_id=request.recipient_id,
                phone=request.phone,
                attempt=verdict.attempt,
                state=AttemptState.CLAIMED,
                claimed_at=now,
                lease_until=now + timedelta(seconds=request.lease_seconds),
                updated_at=now,
                run_id=request.run_id,
                account=request.account,
                agent_id=request.agent_id,
                tries=vacant.tries + 1 if vacant else 1,
            )
            known.add(row)
            values = {name: getattr(row, name) for name in _COLUMNS}
            if vacant:
                updates.append(values)
            else:
                inserts.append(values)
            results[id(op)] = Claim(
                call_key=row.call_key,
                campaign=row.campaign,
                recipient_id=row.recipient_id,
                phone=row.phone,
                attempt=row.attempt,
                turn=row.tries,
                claimed_at=row.claimed_at,
                lease_until=row.lease_until,
            )
        if inserts:
            await connection.execute(insert(call_attempts), inserts)
        await _update_rows(connection, updates)
        return results

    async def _apply_moves(self, connection: AsyncConnection, ops: Sequence[_Move], now: datetime) -> dict[int, Any]:
        keys = {op.call_key for op in ops if op.call_key}
        jobs = {op.job_id for op in ops if op.job_id} | {op.values["job_id"] for op in ops if op.values.get("job_id")}
        query: Select[Any] = select(call_attempts).where(
            or_(call_attempts.c.call_key.in_(sorted(keys)), call_attempts.c.job_id.in_(sorted(jobs)))
        )
        if connection.dialect.name == "postgresql":
            query = query.order_by(call_attempts.c.call_key).with_for_update()
        rows = {row["call_key"]: dict(row) for row in (await connection.execute(query)).mappings()}
        owner = {row["job_id"]: key for key, row in rows.items() if row["job_id"]}
        results: dict[int, Any] = {}
        changed: set[str] = set()
        for op in ops:
            key = op.call_key or owner.get(op.job_id)
            row = rows.get(key) if key is not None else None
            if row is None:
                results[id(op)] = False
                continue
            results[id(op)] = outcome = _merge(row, op, owner, now)
            if outcome is not False and not isinstance(outcome, LedgerError):
                changed.add(row["call_key"])
                if row["job_id"]:
                    owner[row["job_id"]] = row["call_key"]
            if outcome is None:  # something was filled in, but the transition was not ours
                results[id(op)] = False
        await _update_rows(connection, [rows[key] for key in sorted(changed)])
        return results

    # -- connections ---------------------------------------------------------------------------------------------

    def _ready(self) -> AsyncEngine:
        if self._engine is None:
            raise LedgerError(f"The ledger {self.name} is not open.")
        return self._engine

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[AsyncConnection]:
        async with self._reporting("read"), self._ready().connect() as connection:
            yield connection

    @asynccontextmanager
    async def _reporting(self, verb: str) -> AsyncIterator[None]:
        """Turn whatever the database says into one sentence for the person who runs the campaign."""
        try:
            yield
        except (SQLAlchemyError, OSError) as error:
            if isinstance(error, IntegrityError):
                raise
            cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
            raise LedgerError(
                f"The ledger {self.name} cannot be {verb}: {_first_line(cause)}. Without a claim nobody is called; "
                "mend the ledger (its URL, disk space, permissions, or whoever locks it) and run again."
            ) from error


@dataclass(slots=True)
class CampaignTotals:
    """A campaign so far, over all its runs. `cost` in Hamsa's currency, `seconds` of talk."""

    states: dict[AttemptState, int] = field(default_factory=dict)
    cost: float = 0.0
    seconds: float = 0.0

    @property
    def called(self) -> int:
        """Attempts in which a phone rang or may have."""
        return sum(count for state, count in self.states.items() if state in COUNTS)


class _Known:
    """The attempts that matter to a batch of claims, kept up to date as the batch adds its own."""

    def __init__(self, rows: Iterable[Attempt]) -> None:
        self._by_phone: dict[str, dict[str, Attempt]] = defaultdict(dict)
        self._by_recipient: dict[tuple[str, str], dict[str, Attempt]] = defaultdict(dict)
        for row in rows:
            self.add(row)

    def add(self, row: Attempt) -> None:
        self._by_phone[row.phone][row.call_key] = row
        self._by_recipient[row.campaign, row.recipient_id][row.call_key] = row

    def _rows(self, request: ClaimRequest) -> dict[str, Attempt]:
        mine = self._by_recipient.get((request.campaign, request.recipient_id), {})
        return {**self._by_phone.get(request.phone, {}), **mine}

    def past(self, request: ClaimRequest) -> list[PastAttempt]:
        return [row.as_past() for row in self._rows(request).values()]

    def at(self, request: ClaimRequest, attempt: int) -> Attempt | Never | None:
        """The vacant row of this attempt if there is one; `Never` if the attempt is taken."""
        for row in self._rows(request).values():
            if row.campaign != request.campaign or row.attempt != attempt:
                continue
            if row.recipient_id != request.recipient_id:
                return Never(Bucket.DUPLICATE_NUMBER, "this number is called for another recipient of the campaign")
            if row.state not in VACANT:
                return Never(Bucket.OTHER_RUN, f"attempt {attempt} is already {row.state.value}")
            return row
        return None


def _merge(row: dict[str, Any], op: _Move, owner: dict[str, str], now: datetime) -> bool | LedgerError | None:
    """Apply one transition to a row in memory.

    Returns:
        True if the state changed, None if only missing facts were filled in, False if nothing changed, or the error
        to hand to the caller.
    """
    current = AttemptState(row["state"])
    if op.turn is not None and op.turn != row["tries"]:
        return False
    job_id = op.values.get("job_id")
    if job_id is not None:
        holder = owner.get(job_id)
        if holder is not None and holder != row["call_key"]:
            return LedgerError(f"Job {job_id} already belongs to another attempt; it is not noted for a second one.")
        if row["job_id"] is not None and row["job_id"] != job_id:
            return LedgerError(
                f"Attempt {row['attempt']} of recipient {row['recipient_id']} has job {row['job_id']} and now also "
                f"{job_id}: Hamsa made two calls of one attempt. Tell Hamsa's support both ids."
            )
    if op.to is None:
        if current is not AttemptState.UNCERTAIN:
            return False
        row.update(op.values, updated_at=now)
        return True
    moved = current in TRANSITIONS[op.to]
    if not moved and current not in ENDED:
        return False
    if not moved and (op.to not in ENDED and op.to is not AttemptState.PLACED):
        return False
    filled = False
    for name, value in op.values.items():
        if value is None and not (moved and name == "error"):
            continue
        if moved or (name in _FILL_ONLY and row[name] is None) or (name in ("opted_out", "echoed", "job_id") and value):
            if row[name] != value:
                row[name] = value
                filled = True
    if moved:
        row["state"] = op.to.value
    if moved or filled:
        row["updated_at"] = now
        return True if moved else None
    return False


async def _history_rows(
    connection: AsyncConnection, recipients: dict[str, set[str]], phones: set[str]
) -> list[Attempt]:
    """Rows of these numbers in any campaign, and of these recipients in theirs."""
    found: dict[str, Attempt] = {}
    for part in _chunks(sorted(phones), 1000):
        query = select(call_attempts).where(call_attempts.c.phone.in_(part))
        for row in (await connection.execute(query)).mappings():
            found[row["call_key"]] = _attempt(row)
    for campaign, ids in recipients.items():
        for part in _chunks(sorted(ids), 1000):
            query = select(call_attempts).where(
                and_(call_attempts.c.campaign == campaign, call_attempts.c.recipient_id.in_(part))
            )
            for row in (await connection.execute(query)).mappings():
                found.setdefault(row["call_key"], _attempt(row))
    return sorted(found.values(), key=lambda row: row.claimed_at)


async def _update_rows(connection: AsyncConnection, rows: Sequence[dict[str, Any]]) -> None:
    if not rows:
        return
    values = [
        {**{name: row[name] for name in _COLUMNS if name != "call_key"}, "b_key": row["call_key"]} for row in rows
    ]
    await connection.execute(_UPDATE, values)


async def _lock(connection: AsyncConnection, requests: Sequence[ClaimRequest]) -> None:
    """On PostgreSQL, wait for whoever is claiming the same numbers or recipients. SQLite has one writer anyway."""
    if connection.dialect.name != "postgresql":
        return
    names = {f"p:{request.phone}" for request in requests}
    names |= {f"r:{request.campaign}:{request.recipient_id}" for request in requests}
    slots = sorted({zlib.crc32(name.encode()) % LOCK_SLOTS for name in names})
    # A namespace of its own (the first key) keeps these locks apart from those of other programs.
    for slot in slots:
        await connection.execute(text("SELECT pg_advisory_xact_lock(1130460240, :slot)"), {"slot": slot})


@asynccontextmanager
async def _writing(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    async with engine.connect() as plain:
        connection = await plain.execution_options(ledger_writes=True)
        async with connection.begin():
            yield connection


def _async_url(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise LedgerError(
            "The ledger's URL cannot be read: write it like `sqlite:////data/calls.db` "
            "or `postgresql://user:password@host/database`."
        ) from error
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        if parsed.database in (None, "", ":memory:"):
            raise LedgerError(
                "The ledger's URL names no file: a ledger in memory would forget every call. "
                "Write `sqlite:///` and a path."
            )
        return parsed.set(drivername="sqlite+aiosqlite")
    if backend == "postgresql":
        return parsed.set(drivername="postgresql+asyncpg")
    raise LedgerError(f"The ledger's URL names {backend}: this program keeps it in SQLite or PostgreSQL only.")


def _make_private_file(url: URL) -> None:
    """Create the SQLite file readable by its owner only, before SQLite would create it for everybody."""
    path = Path(str(url.database)).expanduser()
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        path.chmod(0o600)
    except OSError as error:
        raise LedgerError(
            f"The ledger file {path} cannot be opened: {error.strerror or error}. Without a claim nobody is called; "
            "name a file that this user may write."
        ) from error


def _make_engine(url: URL) -> AsyncEngine:
    if url.get_backend_name() == "postgresql":
        return create_async_engine(url, pool_size=4, pool_pre_ping=True)
    engine = create_async_engine(url, connect_args={"timeout": BUSY_TIMEOUT_SECONDS})

    @event.listens_for(engine.sync_engine, "connect")
    def _settle_in(dbapi_connection: Any, _record: Any) -> None:
        # SQLAlchemy's own BEGIN would be deferred; the listener below starts each transaction as it is needed.
        dbapi_connection.isolation_level = None
        cursor = dbapi_connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=FULL", f"busy_timeout={int(BUSY_TIMEOUT_SECONDS * 1000)}"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def _begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("ledger_writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _attempt(row: Any) -> Attempt:
    return replace(Attempt(**row), state=AttemptState(row["state"]))


def _lost_race(op: _Move | _ClaimOp) -> Never | LedgerError:
    if isinstance(op, _ClaimOp):
        return Never(Bucket.OTHER_RUN, "another run claimed it in the same moment")
    return LedgerError("This job already belongs to another attempt; it is not noted for a second one.")


def _fail(future: asyncio.Future[Any], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
        future.exception()  # a caller that was cancelled will not fetch it; that alone is no fault to warn of


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")


def _chunks(items: Sequence[str], size: int) -> Iterable[Sequence[str]]:
    return (items[start : start + size] for start in range(0, len(items), size))


_UPDATE = (
    update(call_attempts)
    .where(call_attempts.c.call_key == bindparam("b_key"))
    .values({name: bindparam(name) for name in _COLUMNS if name != "call_key"})
)
