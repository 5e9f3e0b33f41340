"""The spool's SQLite file: made for its owner alone, with its tables, and refused if it is somebody else's."""

import os
import sqlite3
from pathlib import Path

from campaign.private_files import create_private

SCHEMA_VERSION = 1
APPLICATION_ID = 0x48575350
"""SQLite's mark of whose file it is."""

BUSY_SECONDS = 3.0
"""How long a write waits for another process that reads or writes the file."""

_TABLES = """
CREATE TABLE events (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    identity TEXT NOT NULL UNIQUE,
    received_at TEXT NOT NULL,
    event_type TEXT NOT NULL,
    call_id TEXT,
    call_key TEXT,
    happened_at TEXT,
    data TEXT,
    tries INTEGER NOT NULL DEFAULT 0,
    due_at TEXT NOT NULL,
    processed_at TEXT,
    result TEXT
);
CREATE INDEX events_due ON events (due_at) WHERE processed_at IS NULL;
CREATE INDEX events_of_call ON events (call_id);
CREATE INDEX events_processed ON events (processed_at) WHERE processed_at IS NOT NULL;
CREATE TABLE probes (number INTEGER PRIMARY KEY, at TEXT NOT NULL);
"""


class SpoolError(Exception):
    """The spool cannot be opened, read or written. `str()` is a sentence for whoever runs the receiver."""


def open_file(path: Path) -> sqlite3.Connection:
    """Open the file, or make it. The connection begins no transaction by itself, and may go from thread to thread.

    Raises:
        SpoolError: It is something else, or a newer program wrote it.
        sqlite3.Error, OSError: It cannot be opened.
    """
    _make_private(path)
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        _prepare(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Make the tables in a new file; refuse a file that is not ours."""
    _refuse_others(connection, path)
    connection.execute("PRAGMA journal_mode = WAL")
    # What is deleted is overwritten. The last one is macOS's word for the first.
    for pragma in ("synchronous = FULL", "secure_delete = ON", "fullfsync = ON"):
        connection.execute(f"PRAGMA {pragma}")
    connection.execute("BEGIN IMMEDIATE")
    if _asked(connection, "SELECT count(*) FROM sqlite_master") == 0:
        for statement in _TABLES.split(";"):
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    connection.execute("COMMIT")
    _refuse_others(connection, path)


def _refuse_others(connection: sqlite3.Connection, path: Path) -> None:
    if _asked(connection, "SELECT count(*) FROM sqlite_master") == 0:
        return
    if _asked(connection, "PRAGMA application_id") != APPLICATION_ID:
        raise SpoolError(f"{path} is not a spool of this program: name another file.")
    if _asked(connection, "PRAGMA user_version") > SCHEMA_VERSION:
        raise SpoolError(f"A newer release of this program wrote the spool {path}: upgrade this one.")


def _asked(connection: sqlite3.Connection, query: str) -> int:
    return int(connection.execute(query).fetchone()[0])


def _make_private(path: Path) -> None:
    """Make the file, and see that nobody but its owner may read it."""
    create_private(path)
    path.chmod(0o600)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # a file whose name is not on the disk is lost with all that is in it
    finally:
        os.close(folder)
