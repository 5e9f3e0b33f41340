"""Locks of the ledger on PostgreSQL, by name, each held to the end of its transaction. SQLite has one writer anyway."""

import zlib
from collections.abc import Iterable

from sqlalchemy import ARRAY, Integer, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

LOCK_SLOTS = 4096
"""Numbers and recipients share this many advisory locks on PostgreSQL, so that no group exhausts its lock table."""

SLOT_OF_FIELDS = LOCK_SLOTS
"""The lock of the fields that mean *no more calls*: none of those above."""

SLOT_OF_ERASURES = LOCK_SLOTS + 1
"""The lock of erasures: whoever writes of people shares it."""

LOCK_NAMESPACE = 1130460240
"""Keeps the ledger's advisory locks apart from those of other programs in the same database."""

_LOCK = text(
    # Sorted inside, so that two groups that want the same locks take them in the same order. Whoever writes of people
    # shares one more with others of its kind, which an erasure has for itself.
    "SELECT pg_advisory_xact_lock_shared(:namespace, :erasures), count(pg_advisory_xact_lock(:namespace, slot))"
    " FROM (SELECT unnest(:slots) AS slot ORDER BY slot) AS wanted"
).bindparams(
    bindparam("slots", type_=ARRAY(Integer)),
    bindparam("namespace", LOCK_NAMESPACE, type_=Integer),
    bindparam("erasures", SLOT_OF_ERASURES, type_=Integer),
)


async def lock(connection: AsyncConnection, names: Iterable[str]) -> None:
    """On PostgreSQL, wait for whoever holds one of these names. SQLite has one writer anyway."""
    if connection.dialect.name == "postgresql":
        slots = sorted({zlib.crc32(name.encode()) % LOCK_SLOTS for name in names})
        await connection.execute(_LOCK, {"slots": slots})


async def lock_erasures(connection: AsyncConnection) -> None:
    """On PostgreSQL, wait until nobody writes of people, and let nobody begin. SQLite has one writer anyway."""
    if connection.dialect.name == "postgresql":
        statement = text("SELECT pg_advisory_xact_lock(:namespace, :slot)")
        await connection.execute(statement, {"namespace": LOCK_NAMESPACE, "slot": SLOT_OF_ERASURES})


async def lock_fields(connection: AsyncConnection, *, shared: bool) -> None:
    """On PostgreSQL, keep others from naming fields that mean *no more calls* while outcomes are read, or from reading.

    SQLite has one writer anyway.
    """
    if connection.dialect.name == "postgresql":
        statement = text(f"SELECT pg_advisory_xact_lock{'_shared' if shared else ''}(:namespace, :slot)")
        await connection.execute(statement, {"namespace": LOCK_NAMESPACE, "slot": SLOT_OF_FIELDS})
