"""Erasing a person: who it is as the ledger knows them, and everything that names them, in one transaction.

Promises that caps, attempts, opt-outs and the uniqueness of attempts go on under pseudonyms, so that whoever was erased
is not called for it; and that a call which is not over loses neither its protection nor its settling.
"""

import uuid
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Table, and_, delete, false, insert, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from campaign.attempts import OPEN
from campaign.errors import LedgerError
from campaign.intake import PeopleShown, mask, without_person
from campaign.ledger.database.connections import AnyRow, Database
from campaign.ledger.database.locks import lock_erasures
from campaign.ledger.erasure.log import Entry
from campaign.ledger.erasure.pseudonyms import id_pseudonym, make_key, phone_pseudonym
from campaign.ledger.erasure.rows import erased_values
from campaign.ledger.notes.opt_outs import note_opt_outs, opt_out_of_erasure
from campaign.ledger.schema import approvals, call_attempts, campaigns, erasures, opt_outs, refusals, settlements

_CALLS, _OPT_OUTS, _REFUSALS = call_attempts.c, opt_outs.c, refusals.c

_WRITTEN_BY_PEOPLE: tuple[tuple[Table, Column[Any]], ...] = (
    (campaigns, campaigns.c.note),
    (campaigns, campaigns.c.held_by),
    (approvals, approvals.c.note),
    (settlements, settlements.c.who),
    (settlements, settlements.c.why),
    (opt_outs, _OPT_OUTS.origin),
    (opt_outs, _OPT_OUTS.lifted_by),
    (opt_outs, _OPT_OUTS.lifted_because),
    (erasures, erasures.c.reason),
)
"""It may name anybody."""


@dataclass(frozen=True, slots=True)
class Named:
    """Who is to be erased.

    Attributes:
        persons: The ids by which the ledger knows them over all campaigns.
        phones: Numbers that are theirs alone: whatever has one of them goes.
    """

    persons: frozenset[str]
    phones: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Order:
    """Who wants a person erased, and how.

    Attributes:
        may_be_called: Whether a source that names them later may have them called, where caps and opt-outs allow it.
        everyone: Whether all people who have the number or the id are meant.
    """

    by: str
    why: str
    may_be_called: bool = False
    everyone: bool = False


@dataclass(slots=True)
class Erased:
    """What an erasure found.

    Attributes:
        entries: What was written into the log; nothing if the ledger had nothing of this person.
        calls: How many attempts were erased.
        open_calls: How many are not over, and are erased once they are.
        refusals: How many reasons for not calling them were deleted.
        opt_outs: How many opt-outs go on under pseudonyms.
        run_ids: The flow runs that called them, or did not.
        job_ids: Hamsa's ids of the calls.
    """

    entries: list[Entry] = field(default_factory=list)
    calls: int = 0
    open_calls: int = 0
    refusals: int = 0
    opt_outs: int = 0
    run_ids: list[str] = field(default_factory=list)
    job_ids: list[str] = field(default_factory=list)


async def find_person(database: Database, phone: str | None, person: str | None, *, everyone: bool) -> Named | None:
    """Find out who it is that has a number or an id; None if the ledger names nobody by it.

    Args:
        phone: E.164, or None.
        person: The id of a person or of a recipient, or None.
        everyone: Take all people who have it for the one that is meant.

    Raises:
        LedgerError: It cannot be read, or belongs to several people and `everyone` does not say that all are meant.
    """
    call = _CALLS.phone == phone if phone else or_(_CALLS.person == person, _CALLS.recipient_id == person)
    calls = await database.fetch(select(_CALLS.person, _CALLS.recipient_id).where(call).distinct())
    people = {row.person or row.recipient_id for row in calls}
    bar = _OPT_OUTS.phone == phone if phone else _OPT_OUTS.person == person
    barred = await database.fetch(select(_OPT_OUTS.person).where(bar).distinct())
    refusal = _REFUSALS.phone == phone if phone else _REFUSALS.recipient_id == person
    refused = await database.fetch(select(_REFUSALS.recipient_id).where(refusal).distinct())
    if not (people or barred or refused):
        return None
    if phone:
        people |= {row.person for row in barred if row.person}
        people = people or {row.recipient_id for row in refused if row.recipient_id}
    elif person in people or not people:
        people = {str(person)}  # that another person's recipient is called so as well is another matter
    if len(people) > 1 and not everyone:
        raise LedgerError(
            f"{mask(phone) if phone else 'This id'} belongs to {len(people)} people in the ledger, so nobody was "
            "erased: erase each by the person's own id, or say that everyone who has it is meant."
        )
    return Named(frozenset(people), frozenset({phone} if phone else ()))


async def erase(connection: AsyncConnection, database: Database, named: Named, order: Order, now: datetime) -> Erased:
    """Erase a person and write it into the log, inside the caller's transaction."""
    await lock_erasures(connection)
    key = await make_key(connection, now)
    erasing, erasure = Erasing(connection, database, key, now), uuid.uuid4().hex
    found, names = await erasing.empty(named, erasure)
    reason = without_person(order.why, names.phones, names.ids)
    for kind, whose, pseudonym in (
        ("phone", names.phones, phone_pseudonym),
        ("person", named.persons, id_pseudonym),
        ("recipient", names.ids - named.persons, id_pseudonym),
    ):
        for name in sorted(whose):
            alone = kind == "person" or (kind == "phone" and name not in names.shared)
            barred = alone and not order.may_be_called
            found.entries.append(Entry(erasure, pseudonym(key, name), kind, alone, barred, now, order.by, reason))
    await erasing.log(found.entries)
    return found


@dataclass(frozen=True, slots=True)
class Names:
    """Whatever names a person: their numbers, which of them others have as well, and their ids."""

    phones: frozenset[str]
    shared: frozenset[str]
    ids: frozenset[str]


class Erasing:
    """Erases people in a transaction that holds the lock of erasures.

    Args:
        key: By which names become pseudonyms.
    """

    def __init__(self, connection: AsyncConnection, database: Database, key: bytes, now: datetime) -> None:
        self._connection = connection
        self._database = database
        self._key = key
        self._now = now

    async def empty(self, named: Named, erasure: str) -> tuple[Erased, Names]:
        """Take everything that names a person out of the tables. Returns what was found, and the names."""
        calls = await self._calls(named)
        found = Erased(job_ids=sorted({row.job_id for row in calls if row.job_id}))
        runs = {row.run_id for row in calls if row.run_id}
        phones = named.phones | {row.phone for row in calls} | await self._other_numbers(named.persons)
        names = Names(
            phones,
            await self._shared(phones - named.phones, named.persons),
            named.persons | {row.recipient_id for row in calls},
        )
        for row in calls:
            is_open = row.state in OPEN
            values = {} if is_open else erased_values(row._asdict(), self._key, self._now)
            change = update(call_attempts).where(_CALLS.call_key == row.call_key)
            await self._connection.execute(change.values(erasure=erasure, **values))
            found.open_calls += is_open
            found.calls += not is_open
        found.opt_outs = await self._opt_outs(names.phones - names.shared, named.persons)
        pairs = {(row.campaign, row.recipient_id) for row in calls}
        found.refusals, refused = await self._refusals(names.phones - names.shared, named.persons, pairs)
        found.run_ids = sorted(runs | refused)
        await self._shown(names)
        await self._written(names)
        return found, names

    async def log(self, entries: Collection[Entry]) -> None:
        """Write rows of the log, and keep whom they name from being called, if they say so."""
        rows = [{name: getattr(each, name) for name in Entry.__dataclass_fields__} for each in entries]
        await self._connection.execute(insert(erasures), rows)
        blocks = [
            opt_out_of_erasure(
                each.erasure,
                each.pseudonym if each.kind == "phone" else None,
                each.pseudonym if each.kind == "person" else None,
                each.erased_at,
            )
            for each in entries
            if each.barred
        ]
        await note_opt_outs(self._connection, blocks)

    async def _calls(self, named: Named) -> list[AnyRow]:
        among = self._database.among
        columns = ("call_key", "campaign", "recipient_id", "phone", "person", "state", "run_id", "job_id")
        whose = or_(
            among(_CALLS.person, named.persons),
            and_(_CALLS.person.is_(None), among(_CALLS.recipient_id, named.persons)),
            among(_CALLS.phone, named.phones),
        )
        query = select(*(_CALLS[name] for name in columns)).where(whose).order_by(_CALLS.call_key)
        if not self._database.is_file:
            query = query.with_for_update()
        return list(await self._connection.execute(query))

    async def _other_numbers(self, persons: Collection[str]) -> set[str]:
        """Numbers by which a list or a source named them, at which they were never called."""
        among = self._database.among
        listed = select(_OPT_OUTS.phone).where(among(_OPT_OUTS.person, persons))
        refused = select(_REFUSALS.phone).where(among(_REFUSALS.recipient_id, persons))
        return {phone for query in (listed, refused) for (phone,) in await self._connection.execute(query) if phone}

    async def _shared(self, phones: Collection[str], persons: Collection[str]) -> frozenset[str]:
        """Numbers at which others were called as well."""
        query = select(_CALLS.phone, _CALLS.person, _CALLS.recipient_id)
        rows = await self._connection.execute(query.where(self._database.among(_CALLS.phone, phones)).distinct())
        return frozenset(phone for phone, person, recipient_id in rows if (person or recipient_id) not in persons)

    async def _opt_outs(self, phones: Collection[str], persons: Collection[str]) -> int:
        among = self._database.among
        query = select(_OPT_OUTS.opt_out_id, _OPT_OUTS.phone, _OPT_OUTS.person)
        query = query.where(or_(among(_OPT_OUTS.person, persons), among(_OPT_OUTS.phone, phones)))
        rows = list(await self._connection.execute(query))
        for opt_out_id, phone, person in rows:
            values: dict[str, Any] = {"lifted_because": None}
            if phone is not None and (phone in phones or person in persons):
                values["phone"] = phone_pseudonym(self._key, phone)
            if person in persons:
                values["person"] = id_pseudonym(self._key, person)
            await self._connection.execute(update(opt_outs).where(_OPT_OUTS.opt_out_id == opt_out_id).values(values))
        return len(rows)

    async def _refusals(
        self, phones: Collection[str], persons: Collection[str], recipients: Collection[tuple[str, str]]
    ) -> tuple[int, set[str]]:
        among = self._database.among
        whose = or_(
            among(_REFUSALS.phone, phones),
            among(_REFUSALS.recipient_id, persons),
            tuple_(_REFUSALS.campaign, _REFUSALS.recipient_id).in_(sorted(recipients)) if recipients else false(),
        )
        runs = set((await self._connection.execute(select(_REFUSALS.run_id).where(whose).distinct())).scalars())
        return (await self._connection.execute(delete(refusals).where(whose))).rowcount, runs

    async def _shown(self, names: Names) -> None:
        """Take them out of the lists that were shown to whoever approved a run."""
        query = select(approvals.c.campaign, approvals.c.run_id).where(approvals.c.recipients.is_not(None))
        people = [(each, phone) for each in names.ids for phone in names.phones]
        for campaign, run_id in (await self._connection.execute(query)).all():
            mine = (approvals.c.campaign == campaign, approvals.c.run_id == run_id)
            kept = (await self._connection.execute(select(approvals.c.recipients).where(*mine))).scalar_one()
            shown = PeopleShown(campaign, kept)
            if shown.remove(people):
                await self._connection.execute(update(approvals).where(*mine).values(recipients=shown.as_bytes()))

    async def _written(self, names: Names) -> None:
        """Take their names out of what people wrote."""
        for table, column in _WRITTEN_BY_PEOPLE:
            texts = await self._connection.execute(select(column).where(column.is_not(None)).distinct())
            for (text,) in texts.all():
                if (shown := without_person(text, names.phones, names.ids)) != text:
                    change = update(table).where(column == text).values({column.name: shown})
                    await self._connection.execute(change)
