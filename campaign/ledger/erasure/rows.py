"""What an erasure makes of an attempt: pseudonyms for who it was, and nothing of what was said or decided.

Promises that a report which comes later, from a webhook, a look or a person, brings none of it back.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncConnection

from campaign.attempts import OPEN, AttemptState
from campaign.ledger.erasure.pseudonyms import id_pseudonym, phone_pseudonym
from campaign.ledger.schema import erasures

EMPTIED = ("debt", "status", "outcome", "record", "error", "answer", "message_key", "decided_by")
"""Columns of an attempt that an erasure empties. A call about an unknown debt counts for every debt."""


def erased_values(row: Mapping[str, Any], key: bytes, now: datetime) -> dict[str, Any]:
    """The columns of an erased attempt that are not as they were."""
    return {
        **dict.fromkeys(EMPTIED),
        "phone": phone_pseudonym(key, row["phone"]),
        "recipient_id": id_pseudonym(key, row["recipient_id"]),
        "person": id_pseudonym(key, row["person"] or row["recipient_id"]),
        "erased_at": now,
    }


def is_erased_by(row: Mapping[str, Any], changes: Mapping[str, Any]) -> bool:
    """Whether an attempt that was open when its person was erased is not open any more by these changes."""
    waits = row["erasure"] is not None and row["erased_at"] is None
    return waits and "state" in changes and AttemptState(changes["state"]) not in OPEN


def kept_of_erased(changes: Mapping[str, Any]) -> dict[str, Any]:
    """What of a report about an erased attempt is written down: no texts, and nothing of the outcome."""
    return {name: value for name, value in changes.items() if name not in EMPTIED}


async def begin_again(connection: AsyncConnection, found: Collection[str]) -> None:
    """Have the next opening of the ledger clean its file once more after these erasures: they took more out of it."""
    await connection.execute(update(erasures).where(erasures.c.erasure.in_(sorted(found))).values(done_at=None))
