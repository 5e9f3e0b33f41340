"""The database below the ledger: connections to SQLite or PostgreSQL, its locks, its errors in a sentence, its URL."""

from campaign.ledger.database.connections import AnyRow, Database, named_among, named_list, upsert
from campaign.ledger.database.errors import Blame, blame, was_cut
from campaign.ledger.database.locks import lock, lock_erasures, lock_fields
from campaign.ledger.database.urls import checked_url, default_url, ledger_url

__all__ = [
    "AnyRow",
    "Blame",
    "Database",
    "blame",
    "checked_url",
    "default_url",
    "ledger_url",
    "lock",
    "lock_erasures",
    "lock_fields",
    "named_among",
    "named_list",
    "upsert",
    "was_cut",
]
