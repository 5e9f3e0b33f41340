"""What settling asks of a ledger: whose a job or a key is, which calls check a look, what Hamsa's clock showed."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile

from sqlalchemy import and_, func, or_, select

from campaign.attempts import ENDED, UNANSWERED, AttemptState
from campaign.ledger.database.connections import AnyRow, Database
from campaign.ledger.schema import call_attempts

_COLUMNS = call_attempts.c

_OWNER = (_COLUMNS.call_key, _COLUMNS.phone, _COLUMNS.job_id, _COLUMNS.adopted_by, _COLUMNS.echoed)

_CONTROL = (
    _COLUMNS.call_key,
    _COLUMNS.job_id,
    _COLUMNS.phone,
    _COLUMNS.agent_id,
    func.coalesce(_COLUMNS.denied_at, _COLUMNS.claimed_at),  # by when on it was made: see `Attempt.since`
    _COLUMNS.lease_until,
    _COLUMNS.placed_at,
    _COLUMNS.created_at,
)

CLOCK_MEMORY = timedelta(days=1)
"""Of so long ago what Hamsa's clock showed still counts."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose a job, or a key, is.

    Attributes:
        phone: Whom it calls.
        job_id: Its job, if that is known.
        is_sure: Whether the job is its own for certain, and not only by number, time and agent.
    """

    call_key: str
    phone: str
    job_id: str | None
    is_sure: bool = True


@dataclass(frozen=True, slots=True)
class Control:
    """A call that Hamsa surely has: a look at its list that does not show it proves nothing."""

    call_key: str
    job_id: str
    phone: str
    agent_id: str | None
    claimed_at: datetime
    lease_until: datetime
    placed_at: datetime | None
    created_at: datetime | None

    @property
    def made_by(self) -> datetime:
        """When at the latest it was made, by our clock: `placed_at` is that only where Hamsa's answer was read."""
        return self.placed_at if self.placed_at is not None and self.created_at is not None else self.lease_until


@dataclass(frozen=True, slots=True)
class ClockReading:
    """Hamsa's clock (`created_at`) at a moment between two of ours."""

    created_at: datetime
    asked_at: datetime
    answered_at: datetime


class LedgerEvidence:
    """Reads a ledger that somebody else opened. Every method raises `LedgerError` if it cannot be read."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def now(self) -> datetime:
        """The ledger's time: the clock, corrected by the database's where that is another machine's."""
        return self._database.now()

    async def owners(self, job_ids: Collection[str]) -> dict[str, Owner]:
        """Which of these Hamsa jobs belong to which attempts: job id to owner."""
        query = select(*_OWNER).where(self._database.among(_COLUMNS.job_id, job_ids))
        owners = [_owner(row) for row in await self._database.fetch(query)]
        return {owner.job_id: owner for owner in owners if owner.job_id is not None}

    async def keyed(self, call_keys: Collection[str]) -> dict[str, Owner]:
        """Which of these are keys of attempts of this ledger: key to whose."""
        query = select(*_OWNER).where(self._database.among(_COLUMNS.call_key, call_keys))
        return {owner.call_key: owner for owner in map(_owner, await self._database.fetch(query))}

    async def controls(
        self,
        account: str | None,
        agent_id: str | None,
        *,
        since: datetime,
        until: datetime,
        reach: timedelta,
        at_least: int,
    ) -> list[Control]:
        """Calls that Hamsa surely has, by which a look at its list over some time can be checked, the oldest first.

        Args:
            agent_id: Calls of which agent; of inline agents if None.
            since: The beginning of the time in question.
            until: Its end. All calls of that time are given …
            reach: … and the nearest ones no further than this before and after it, …
            at_least: … so many on each side, if there are, and the nearest that went unanswered and that failed: a
                list of conversations would leave those out.
        """
        sure = (
            _COLUMNS.account == account,
            _COLUMNS.agent_id == agent_id,
            _COLUMNS.job_id.is_not(None),
            _COLUMNS.erased_at.is_(None),  # nobody knows any more at which number the list would show it
            # A job of which neither list nor records know has a word about that in its error.
            or_(
                _COLUMNS.state.in_(sorted(ENDED)), and_(_COLUMNS.state == AttemptState.PLACED, _COLUMNS.error.is_(None))
            ),
            or_(_COLUMNS.adopted_by.is_(None), _COLUMNS.adopted_by == "key", _COLUMNS.echoed),
        )
        claimed = _COLUMNS.claimed_at
        query = select(*_CONTROL).where(*sure)
        before = query.where(claimed < since, claimed >= since - reach).order_by(claimed.desc())
        after = query.where(claimed > until, claimed <= until + reach).order_by(claimed)
        parts = [query.where(claimed >= since, claimed <= until)]
        for side in (before, after):
            parts.append(side.limit(at_least))
            parts += (side.where(_COLUMNS.state == state).limit(1) for state in UNANSWERED)
        rows = [row for part in parts for row in await self._database.fetch(part)]
        return sorted({Control(*row) for row in rows}, key=lambda control: control.claimed_at)

    async def clock_readings(self, account: str | None, *, at_most: int = 20) -> list[ClockReading]:
        """When Hamsa says that its latest calls were made, beside when we asked for them and had the answer."""
        query = select(_COLUMNS.created_at, _COLUMNS.claimed_at, _COLUMNS.placed_at).where(
            _COLUMNS.account == account,
            _COLUMNS.claimed_at >= self.now() - CLOCK_MEMORY,
            _COLUMNS.created_at.is_not(None),
            _COLUMNS.placed_at.is_not(None),
        )
        query = query.order_by(_COLUMNS.claimed_at.desc()).limit(at_most)
        return [ClockReading(*row) for row in await self._database.fetch(query)]

    async def uncertain_in_a_row(
        self, account: str | None, agent_id: str | None, *, at_most: int
    ) -> tuple[int, str | None]:
        """How many of the newest POSTs of an account and agent, up to so many, ended uncertain, and the last answer.

        What settling found since changes nothing: that many times in a row Hamsa did not say plainly what it did.
        """
        query = (
            select(_COLUMNS.answer)
            .where(_COLUMNS.account == account, _COLUMNS.agent_id == agent_id)
            .where(or_(_COLUMNS.answer.is_not(None), _COLUMNS.job_id.is_not(None)))
            .order_by(_COLUMNS.claimed_at.desc())
            .limit(at_most)
        )
        answers = [answer for (answer,) in await self._database.fetch(query)]
        row = list(takewhile(lambda answer: answer is not None, answers))
        return len(row), row[0] if row else None

    async def account_echoes(self, account: str | None, agent_id: str | None) -> bool:
        """Whether Hamsa was seen to give back our `call_key` in this account's job records.

        Args:
            agent_id: Calls of which agent; of inline agents, whose params travel otherwise, if None.
        """
        mine = (_COLUMNS.account == account, _COLUMNS.agent_id == agent_id, _COLUMNS.echoed)
        query = select(_COLUMNS.call_key).where(*mine).limit(1)
        return bool(await self._database.fetch(query))


def _owner(row: AnyRow) -> Owner:
    call_key, phone, job_id, adopted_by, echoed = row
    return Owner(call_key, phone, job_id, is_sure=adopted_by in (None, "key") or bool(echoed))
