"""What each version of a policy stands for, kept from the first claim by it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.dialects.postgresql import insert as insert_on_postgresql
from sqlalchemy.dialects.sqlite import insert as insert_on_sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from campaign.ledger.schema import policies


async def note_policy(connection: AsyncConnection, version: str, stated: Mapping[str, Any], now: datetime) -> None:
    """Write down what a version stands for, if that is not known yet."""
    insert = insert_on_postgresql if connection.dialect.name == "postgresql" else insert_on_sqlite
    values = {"policy": version, "rules": dict(stated), "first_used_at": now}
    await connection.execute(insert(policies).on_conflict_do_nothing(index_elements=["policy"]), values)
