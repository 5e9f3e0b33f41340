"""The no's that the ledger keeps: written with the end of a call or from a list, found again, and lifted by a person.

Promises that an outcome is read by the fields of every policy that ever used the ledger, also those named later.
"""

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import and_, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from campaign.ledger.database.connections import Database, upsert
from campaign.ledger.schema import call_attempts, opt_out_fields, opt_outs
from campaign.rules import CALL, ERASURE, LIST, OptOut, OptOutRead, Said, read_opt_out

OUTCOMES_AT_ONCE = 2000
"""Outcomes that are read together when a new field is looked for in those of the past."""

_ATTEMPTS = call_attempts.c


def opt_out_of_call(row: Mapping[str, Any], read: OptOutRead | None, now: datetime) -> OptOut:
    """What is kept of a refusal in a call, or of words about more calls that a person has to read.

    Args:
        row: The attempt's columns.
        read: Where it was said; None if whoever brought the call's end says so.
    """
    return OptOut(
        # One for a call: an event that comes twice does not undo a person's decision about the first one.
        opt_out_id=row["call_key"],
        phone=row["phone"],
        person=row["person"] or row["recipient_id"],
        said=Said.YES if read is None else read.said,
        source=CALL,
        origin=row["campaign"],
        call_key=row["call_key"],
        field=None if read is None else read.field,
        noted_at=now,
    )


def opt_out_of_list(phone: str | None, person: str | None, origin: str, now: datetime) -> OptOut:
    """What is kept of somebody on another channel's list."""
    return OptOut(uuid.uuid4().hex, phone, person, Said.YES, LIST, origin, None, None, now)


def opt_out_of_erasure(erasure: str, phone: str | None, person: str | None, now: datetime) -> OptOut:
    """What keeps somebody who was erased from being called, under a pseudonym."""
    pseudonym = (phone or person or "").rpartition(":")[2]
    return OptOut(f"{erasure}-{pseudonym}", phone, person, Said.YES, ERASURE, None, None, None, now)


async def note_opt_outs(connection: AsyncConnection, found: Sequence[OptOut]) -> None:
    """Write them down. A refusal replaces unclear words of the same call; what a person lifted stays lifted."""
    statement = upsert(connection, opt_outs)
    clearer = and_(opt_outs.c.lifted_at.is_(None), opt_outs.c.said == Said.UNCLEAR.value)
    for each in {one.opt_out_id: one for one in sorted(found, key=lambda one: one.said is Said.YES)}.values():
        values = asdict(each) | {"said": each.said.value}
        if each.said is Said.YES:
            changes = {"said": statement.excluded.said, "field": statement.excluded.field}
            noted = statement.on_conflict_do_update(index_elements=["opt_out_id"], set_=changes, where=clearer)
        else:
            noted = statement.on_conflict_do_nothing(index_elements=["opt_out_id"])
        await connection.execute(noted, values)


async def fields_of_the_ledger(connection: AsyncConnection) -> frozenset[str]:
    """The fields named so far. Inside `lock_fields`, so that none is named until the transaction is over."""
    return frozenset((await connection.execute(select(opt_out_fields.c.field))).scalars())


async def name_fields(connection: AsyncConnection, fields: Collection[str], now: datetime) -> None:
    """Write down fields that mean *no more calls*. Every outcome that is written from now on is read by them.

    Inside `lock_fields`, so that no outcome is being written that was read without them.
    """
    statement = upsert(connection, opt_out_fields).on_conflict_do_nothing(index_elements=["field"])
    await connection.execute(statement, [{"field": field, "named_at": now} for field in sorted(fields)])


async def note_searched(connection: AsyncConnection, fields: Collection[str], now: datetime) -> None:
    """Write down that the outcomes of the past were searched for these fields."""
    where = opt_out_fields.c.field.in_(sorted(fields))
    await connection.execute(update(opt_out_fields).where(where).values(searched_at=now))


async def unsearched(database: Database, fields: Collection[str]) -> set[str]:
    """Which of these fields the outcomes of the past were not searched for yet."""
    query = select(opt_out_fields.c.field).where(
        database.among(opt_out_fields.c.field, fields), opt_out_fields.c.searched_at.is_not(None)
    )
    return set(fields) - {field for (field,) in await database.fetch(query)}


async def said_in_the_past(
    database: Database, fields: Collection[str], after: str, now: datetime
) -> tuple[list[OptOut], str | None]:
    """Read a part of the outcomes that the ledger holds.

    Args:
        fields: Which mean *no more calls*.
        after: The key of the last attempt that was read; empty for the first part.

    Returns:
        What was said in them, and the key with which to go on; None if there are no more.
    """
    columns = [_ATTEMPTS[name] for name in ("call_key", "phone", "person", "recipient_id", "campaign", "outcome")]
    query = (
        select(*columns)
        .where(_ATTEMPTS.outcome.is_not(None), _ATTEMPTS.call_key > after)
        .order_by(_ATTEMPTS.call_key)
        .limit(OUTCOMES_AT_ONCE)
    )
    names = [column.name for column in columns]
    rows = [dict(zip(names, row, strict=True)) for row in await database.fetch(query)]
    found = [
        opt_out_of_call(row, read, now) for row in rows if (read := read_opt_out(row["outcome"], fields)) is not None
    ]
    return found, rows[-1]["call_key"] if len(rows) == OUTCOMES_AT_ONCE else None


async def lift(
    connection: AsyncConnection,
    *,
    phones: Collection[str],
    persons: Collection[str],
    by: str,
    because: str,
    now: datetime,
) -> list[str]:
    """Lift whatever blocks these numbers or people. Returns the ids of what was lifted."""
    whose = or_(opt_outs.c.phone.in_(phones), opt_outs.c.person.in_(persons))
    found = select(opt_outs.c.opt_out_id).where(opt_outs.c.lifted_at.is_(None), whose)
    ids = list((await connection.execute(found)).scalars())
    lifted = {"lifted_at": now, "lifted_by": by, "lifted_because": because}
    await connection.execute(update(opt_outs).where(opt_outs.c.opt_out_id.in_(ids)).values(lifted))
    return ids
