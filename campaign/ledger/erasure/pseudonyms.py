"""Pseudonyms: what stands in the ledger for the numbers and ids of people who were erased.

Promises that whoever was erased is recognized when a later row names them, so that caps, attempts and opt-outs hold;
and that a ledger in which nobody was ever erased pays one small query for it.
"""

import hmac
import secrets
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Executable, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from campaign.attempts import Attempt, PastAttempt
from campaign.intake import PSEUDONYM
from campaign.ledger.database.connections import AnyRow, Database
from campaign.ledger.notes.refusals import Refusal
from campaign.ledger.schema import erasure_keys, erasures
from campaign.rules import OptOut

_DIGITS = 32
"""Of the hash, in hexadecimal: 128 bits, so that no two people have one pseudonym."""

_ROW = 1
"""The number of the only key."""

_NAMES = ("phone", "recipient_id", "person")

Known = TypeVar("Known", PastAttempt, Attempt, OptOut, Refusal)


def phone_pseudonym(key: bytes, phone: str) -> str:
    """What stands for a number, E.164."""
    return _pseudonym(key, f"phone:{phone}")


def id_pseudonym(key: bytes, person: str) -> str:
    """What stands for an id, of a person or of a recipient."""
    return _pseudonym(key, f"id:{person}")


def _pseudonym(key: bytes, name: str) -> str:
    return PSEUDONYM + hmac.digest(key, name.encode(errors="surrogatepass"), "sha256").hex()[:_DIGITS]


class Pseudonyms(dict[str, str]):
    """Which of some numbers and ids were erased: the names by their pseudonyms."""

    def added_to(self, names: Collection[str]) -> Collection[str]:
        """These numbers or ids, and the pseudonyms of those that were erased."""
        if not self:
            return names
        wanted = frozenset(names)
        return [*names, *(pseudonym for pseudonym, name in self.items() if name in wanted)]

    def named(self, found: Known) -> Known:
        """What was found, with the names by which it was asked for."""
        if not self:
            return found
        values = {name: getattr(found, name, None) for name in _NAMES}
        changed: dict[str, Any] = {name: self[value] for name, value in values.items() if value and value in self}
        return replace(found, **changed) if changed else found


async def pseudonyms_among(
    database: Database,
    phones: Iterable[str],
    ids: Iterable[str],
    connection: AsyncConnection | None = None,
    *,
    theirs_alone: bool = False,
) -> Pseudonyms:
    """Find out which of these numbers and ids were erased.

    Args:
        phones: Numbers, E.164.
        connection: In whose transaction to ask; in none if None.
        theirs_alone: Leave out numbers that others have as well, and ids that are no person's.
    """
    key = await erasure_key(database, connection)
    if key is None:
        return Pseudonyms()
    names = {phone_pseudonym(key, phone): phone for phone in phones}
    names |= {id_pseudonym(key, each): each for each in ids}
    query = select(erasures.c.pseudonym).where(database.among(erasures.c.pseudonym, names))
    if theirs_alone:
        query = query.where(erasures.c.theirs_alone)
    rows = await _asked(database, connection, query.distinct())
    return Pseudonyms({row.pseudonym: names[row.pseudonym] for row in rows})


async def without_erased(
    database: Database, connection: AsyncConnection, people: Sequence[tuple[str | None, str | None]]
) -> list[tuple[str | None, str | None]]:
    """Numbers with ids, as they may be kept in a transaction: those of people who were erased as pseudonyms."""
    phones, ids = {phone for phone, _ in people if phone}, {each for _, each in people if each}
    erased = set((await pseudonyms_among(database, phones, ids, connection, theirs_alone=True)).values())
    key = database.erasure_key
    if not erased or key is None:
        return list(people)
    return [
        (phone and phone_pseudonym(key, phone), each and id_pseudonym(key, each))
        if phone in erased or each in erased
        else (phone, each)
        for phone, each in people
    ]


async def erasure_key(database: Database, connection: AsyncConnection | None = None) -> bytes | None:
    """The ledger's key; None as long as nobody was erased."""
    if database.erasure_key is None:
        rows = await _asked(database, connection, select(erasure_keys.c.key))
        if rows:
            database.erasure_key = bytes.fromhex(rows[0].key)
    return database.erasure_key


async def make_key(connection: AsyncConnection, now: datetime, key: bytes | None = None) -> bytes:
    """Give the ledger a key, unless it has one, inside a transaction that excludes every other one of its kind."""
    found = (await connection.execute(select(erasure_keys.c.key))).scalar_one_or_none()
    if found is not None:
        return bytes.fromhex(found)
    key = key or secrets.token_bytes(32)
    await connection.execute(insert(erasure_keys).values(number=_ROW, key=key.hex(), made_at=now))
    return key


async def _asked(database: Database, connection: AsyncConnection | None, query: Executable) -> Sequence[AnyRow]:
    return await database.fetch(query) if connection is None else (await connection.execute(query)).all()
