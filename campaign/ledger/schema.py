"""The ledger's tables, and how an older ledger is brought forward.

The tables are a documented interface (docs/reference/ledger.md): columns are added, never renamed or reused.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Connection,
    DateTime,
    Dialect,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    insert,
    inspect,
    select,
    text,
    update,
)
from sqlalchemy.types import TypeDecorator

from campaign.errors import LedgerError, LedgerTooNew

SCHEMA_VERSION = 3
"""What this program reads and writes."""


class UtcDateTime(TypeDecorator[datetime]):
    """Aware UTC times everywhere: `timestamptz` on PostgreSQL, naive UTC text on SQLite, which has no zones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Hand the database UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone cannot be kept")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Hand the program UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Prose(TypeDecorator[str]):
    """Words for people, of whatever origin: what no database keeps of them is replaced."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Hand the database what it can keep: no NUL, and only whole characters."""
        return None if value is None else value.replace("\x00", "\ufffd").encode(errors="replace").decode()


metadata = MetaData()

versions = Table(
    "call_ledger_version",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("migrated_at", UtcDateTime, nullable=False),
)

call_attempts = Table(
    "call_attempts",
    metadata,
    Column("call_key", Text, primary_key=True),
    Column("campaign", Text, nullable=False),
    Column("recipient_id", Text, nullable=False),
    Column("phone", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("run_id", Text),
    Column("account", Text),
    Column("agent_id", Text),
    Column("agent_updated_at", UtcDateTime),
    Column("route", Text),
    Column("claimed_at", UtcDateTime, nullable=False),
    Column("denied_at", UtcDateTime),
    Column("lease_until", UtcDateTime, nullable=False),
    Column("placed_at", UtcDateTime),
    Column("ended_at", UtcDateTime),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("job_id", Text),
    Column("status", Prose),
    Column("duration_seconds", Float),
    Column("cost", Float),
    Column("reserved_cost", Float),
    Column("outcome", JSON(none_as_null=True)),
    Column("record", JSON(none_as_null=True)),
    Column("error", Prose),
    Column("answer", Prose),
    Column("message_key", Prose),
    Column("status_code", Integer),
    Column("opted_out", Boolean, nullable=False, default=False),
    Column("echoed", Boolean, nullable=False, default=False),
    Column("tries", Integer, nullable=False, default=1),
    Column("looks", Integer, nullable=False, default=0),
    Column("looked_at", UtcDateTime),
    Column("person", Text),
    Column("debt", Text),
    Column("opt_out_fields", JSON(none_as_null=True)),
    Column("policy", Text),
    Column("decided_by", JSON(none_as_null=True)),
    Column("created_at", UtcDateTime),
    Column("adopted_by", Text),
    Column("erasure", Text),
    Column("erased_at", UtcDateTime),
    UniqueConstraint("campaign", "recipient_id", "attempt", name="uq_call_attempts_recipient"),
    UniqueConstraint("campaign", "phone", "attempt", name="uq_call_attempts_phone"),
    UniqueConstraint("job_id", name="uq_call_attempts_job"),
)
Index("ix_call_attempts_phone", call_attempts.c.phone, call_attempts.c.claimed_at)
Index("ix_call_attempts_person", call_attempts.c.person, call_attempts.c.claimed_at)
# Calls that may be ringing are few, and are asked for at every claim, however old they are.
IN_FLIGHT = "state IN ('claimed', 'placed', 'uncertain')"
"""As the partial indexes have it: a query has to say the same, or SQLite would not use them."""
for _whose in (call_attempts.c.phone, call_attempts.c.person):
    Index(
        f"ix_call_attempts_in_flight_{_whose.name}",
        _whose,
        call_attempts.c.state,  # by one column alone SQLite would take another index, and read all of a number's past
        sqlite_where=text(IN_FLIGHT),
        postgresql_where=text(IN_FLIGHT),
    )
Index("ix_call_attempts_run", call_attempts.c.run_id)
# Few accounts echo, and those that do need one row to show it.
Index(
    "ix_call_attempts_echoed",
    call_attempts.c.account,
    call_attempts.c.agent_id,
    sqlite_where=text("echoed = 1"),  # as SQLAlchemy writes it in a query, or SQLite would not use the index
    postgresql_where=call_attempts.c.echoed,
)
Index("ix_call_attempts_state", call_attempts.c.state, call_attempts.c.campaign)
# What a campaign's calls without an end may cost is asked for each claim that a limit bounds.
Index(
    "ix_call_attempts_open",
    call_attempts.c.campaign,
    call_attempts.c.state,
    sqlite_where=text(IN_FLIGHT),
    postgresql_where=text(IN_FLIGHT),
)
Index("ix_call_attempts_price", *(call_attempts.c[name] for name in ("agent_id", "route", "ended_at", "cost")))
# Of old calls those that still hold what was said are few, where it is not kept forever.
HOLDS_TEXTS = "outcome IS NOT NULL OR record IS NOT NULL OR error IS NOT NULL OR answer IS NOT NULL"
Index(
    "ix_call_attempts_texts",
    call_attempts.c.claimed_at,
    sqlite_where=text(HOLDS_TEXTS),
    postgresql_where=text(HOLDS_TEXTS),
)
Index("ix_call_attempts_account", call_attempts.c.account, call_attempts.c.agent_id, call_attempts.c.claimed_at)

campaigns = Table(
    "call_campaigns",
    metadata,
    Column("campaign", Text, primary_key=True),
    Column("on_hold", Boolean, nullable=False, default=False),
    Column("note", Prose),
    Column("held_by", Text),
    Column("changed_at", UtcDateTime, nullable=False),
)

opt_outs = Table(
    "call_opt_outs",
    metadata,
    Column("opt_out_id", Text, primary_key=True),
    Column("phone", Text),
    Column("person", Text),
    Column("said", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("origin", Prose),
    Column("call_key", Text),
    Column("field", Prose),
    Column("noted_at", UtcDateTime, nullable=False),
    Column("lifted_at", UtcDateTime),
    Column("lifted_by", Prose),
    Column("lifted_because", Prose),
)
Index("ix_call_opt_outs_phone", opt_outs.c.phone)
Index("ix_call_opt_outs_person", opt_outs.c.person)

opt_out_fields = Table(
    "call_opt_out_fields",
    metadata,
    Column("field", Text, primary_key=True),
    Column("named_at", UtcDateTime, nullable=False),
    Column("searched_at", UtcDateTime),
)

refusals = Table(
    "call_refusals",
    metadata,
    Column("run_id", Text, primary_key=True),
    Column("row", Integer, primary_key=True, autoincrement=False),
    Column("campaign", Text, nullable=False),
    Column("recipient_id", Prose),
    Column("phone", Text),
    Column("bucket", Text, nullable=False),
    Column("reason", Prose, nullable=False),
    Column("until", UtcDateTime),
    Column("policy", Text),
    Column("decided_at", UtcDateTime, nullable=False),
)
Index("ix_call_refusals_recipient", refusals.c.recipient_id)
Index("ix_call_refusals_phone", refusals.c.phone)
Index("ix_call_refusals_decided", refusals.c.decided_at)

policies = Table(
    "call_policies",
    metadata,
    Column("policy", Text, primary_key=True),
    Column("rules", JSON(none_as_null=True), nullable=False),
    Column("first_used_at", UtcDateTime, nullable=False),
)

approvals = Table(
    "call_approvals",
    metadata,
    Column("campaign", Text, primary_key=True),
    Column("run_id", Text, primary_key=True),
    Column("asked_at", UtcDateTime, nullable=False),
    Column("people", Integer, nullable=False),
    Column("cost", Float),
    Column("fingerprint", Text, nullable=False),
    Column("recipients", LargeBinary),
    Column("answered_at", UtcDateTime),
    Column("decision", Text),
    Column("at_most", Integer),
    Column("note", Prose),
)

call_totals = Table(
    "call_totals",
    metadata,
    Column("campaign", Text, primary_key=True),
    Column("run_id", Text, primary_key=True),
    Column("cost_kind", Text, primary_key=True),
    Column("talked", Boolean, primary_key=True),
    Column("reserved_cost", Float, primary_key=True),
    Column("calls", Integer, nullable=False),
    Column("cost", Float, nullable=False),
    Column("claimed_at", UtcDateTime, nullable=False),
)
"""Sums over the calls that ended; `run_id` is empty where a call has none."""

settlements = Table(
    "call_settlements",
    metadata,
    Column("call_key", Text, primary_key=True),
    Column("settled_at", UtcDateTime, primary_key=True),
    Column("rang", Boolean, nullable=False),
    Column("who", Prose, nullable=False),
    Column("why", Prose, nullable=False),
)
"""What people said of attempts that nothing else could settle."""

erasures = Table(
    "call_erasures",
    metadata,
    Column("erasure", Text, primary_key=True),
    Column("pseudonym", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("theirs_alone", Boolean, nullable=False),
    Column("barred", Boolean, nullable=False),
    Column("erased_at", UtcDateTime, nullable=False),
    Column("erased_by", Prose, nullable=False),
    Column("reason", Prose, nullable=False),
    Column("done_at", UtcDateTime),
)
"""The log of erasures: one row for each number and id that was erased."""
Index("ix_call_erasures_pseudonym", erasures.c.pseudonym)

erasure_keys = Table(
    "call_erasure_key",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("key", Text, nullable=False),
    Column("made_at", UtcDateTime, nullable=False),
)
"""By what numbers and ids become pseudonyms: one row from the first erasure on, none before."""

call_accounts = Table(
    "call_accounts",
    metadata,
    Column("key_name", Text, primary_key=True),
    Column("account", Text),
    Column("noted_at", UtcDateTime, nullable=False),
)

call_agents = Table(
    "call_agents",
    metadata,
    Column("campaign", Text, primary_key=True),
    Column("agent_id", Text, primary_key=True),
    Column("agent_updated_at", UtcDateTime, nullable=False),
    Column("noted_at", UtcDateTime, nullable=False),
)


def _to_version_2(connection: Connection) -> None:
    """Bring any state of version 1 forward: what a campaign spent is summed by now, and needs no index."""
    connection.execute(text("DROP INDEX IF EXISTS ix_call_attempts_spent"))
    _add_what_is_missing(connection)


def _add_what_is_missing(connection: Connection) -> None:
    """Add the tables, columns and indexes that this program knows and the ledger lacks."""
    inspector = inspect(connection)
    old = set(inspector.get_table_names())
    metadata.create_all(connection)
    quote = connection.dialect.identifier_preparer.quote
    for table in metadata.sorted_tables:
        if table.name not in old:
            continue
        columns = {column["name"] for column in inspector.get_columns(table.name)}
        for column in table.columns:
            if column.name not in columns:
                kind = column.type.compile(connection.dialect)
                connection.execute(text(f"ALTER TABLE {quote(table.name)} ADD COLUMN {quote(column.name)} {kind}"))
        indexes = {index["name"] for index in inspector.get_indexes(table.name)}
        for index in table.indexes:
            if index.name not in indexes:
                index.create(connection)


MIGRATIONS: dict[int, Callable[[Connection], Any]] = {1: _to_version_2, 2: _add_what_is_missing}
"""From version N to N + 1: what to do on an open connection, inside the transaction that also writes the version."""


def prepare(connection: Connection, now: Callable[[], datetime], ledger: str) -> bool:
    """Create the tables, or bring an older ledger forward, inside the caller's transaction.

    Returns:
        Whether an older ledger was brought forward.

    Raises:
        LedgerTooNew: A newer program wrote the ledger.
        LedgerError: The database is not a ledger of ours.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('call_ledger_version'))"))
    tables = set(inspect(connection).get_table_names())
    if versions.name not in tables:
        if call_attempts.name in tables:
            raise LedgerError(
                f"The ledger {ledger} has a table `{call_attempts.name}` but no `{versions.name}`: "
                "it belongs to something else. Give the ledger a database or schema of its own."
            )
        metadata.create_all(connection)
        connection.execute(insert(versions).values(version=SCHEMA_VERSION, migrated_at=now()))
        return False
    found: int | None = max(connection.execute(select(versions.c.version)).scalars(), default=None)
    if found is None:
        raise LedgerError(
            f"The ledger {ledger} does not say which version it has: its table `{versions.name}` is empty. "
            "Bring back a copy of the ledger from before that."
        )
    if found > SCHEMA_VERSION:
        raise LedgerTooNew(
            f"The ledger {ledger} has schema version {found}, and this program knows none above {SCHEMA_VERSION}: "
            "a newer release wrote it. Upgrade this program; nobody was called."
        )
    for version in range(found, SCHEMA_VERSION):
        MIGRATIONS[version](connection)
        connection.execute(update(versions).values(version=version + 1, migrated_at=now()))
    return found < SCHEMA_VERSION
