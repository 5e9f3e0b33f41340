"""That a query from a form only reads: one statement, in a session that the database keeps from writing.

Promises that on PostgreSQL and SQLite neither a second statement nor a function changes anything; on other databases as
far as they let a session be told so. A role that can only read is the better half: docs/how-to/read-only-role.md.
"""

import re

from sqlalchemy import Engine
from sqlalchemy.ext.asyncio import AsyncEngine

_BLANK_OR_COMMENT = re.compile(r"\s+|--[^\n]*|/\*.*?\*/", re.DOTALL)
_READING = re.compile(r"\(|(select|with|values|table|from)\b", re.IGNORECASE)
# What PostgreSQL takes for one text or name, in which a semicolon ends nothing.
_QUOTED = re.compile(
    r"\b[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|\$((?:[A-Za-z_]\w*)?)\$.*?\$\1\$|--[^\n]*",
    re.DOTALL,
)
_COMMENT_MARK = re.compile(r"/\*|\*/")
_INTO = re.compile(r"\binto\b", re.IGNORECASE)


def why_not_reading(query: str, dialect: str) -> str | None:
    """Why a query is not one that only reads, as the end of a sentence; `None` if it may be run.

    Args:
        query: SQL, with or without a semicolon at its end.
        dialect: The database, as SQLAlchemy calls it. PostgreSQL's texts and comments are known, so that a semicolon in
            them is none; elsewhere the only semicolon may stand at the end.
    """
    start = 0
    while (skipped := _BLANK_OR_COMMENT.match(query, start)) is not None:
        start = skipped.end()
    if _READING.match(query, start) is None:
        return "has to be a SELECT: rows are read, never changed"
    bare = _bare(query)
    if _INTO.search(bare) is not None:
        return "has to be a SELECT that puts its rows nowhere: take INTO out"
    looked_at = bare if dialect in ("postgresql", "sqlite") else query
    if ";" in looked_at.strip().rstrip(";").rstrip():
        return "has to be one statement; give a text with a semicolon as a parameter"
    return None


def session_setup(engine: Engine | AsyncEngine, timeout_seconds: int) -> list[str]:
    """What is said to the database before the query: read only, and no longer than this."""
    milliseconds = timeout_seconds * 1000
    match engine.dialect.name:
        case "postgresql":
            # One round trip. The second outlives the transaction, should a query ever find a way to end it.
            settings = {
                "transaction_read_only": "'on', true",
                "default_transaction_read_only": "'on', false",
                "statement_timeout": f"'{milliseconds}', true",
            }
            return ["SELECT " + ", ".join(f"set_config('{name}', {value})" for name, value in settings.items())]
        case "sqlite":
            # Python's driver begins a transaction only where it sees a change coming; in `WITH … DELETE` it does not.
            return ["PRAGMA query_only = ON"]
        case "mysql":
            return ["SET SESSION TRANSACTION READ ONLY", f"SET SESSION max_execution_time = {milliseconds}"]
        case "mariadb":
            return ["SET SESSION TRANSACTION READ ONLY", f"SET SESSION max_statement_time = {timeout_seconds}"]
        case "oracle":
            return ["SET TRANSACTION READ ONLY"]
    return []


def session_options(engine: Engine | AsyncEngine) -> dict[str, str]:
    """How the connection is to be used: in a transaction, though the connector may say otherwise."""
    return {"isolation_level": "READ COMMITTED"} if engine.dialect.name == "postgresql" else {}


def _bare(query: str) -> str:
    """The query without its texts, quoted names and comments; PostgreSQL's comments nest."""
    kept: list[str] = []
    depth = position = 0
    while position < len(query):
        if depth:
            mark = _COMMENT_MARK.search(query, position)
            if mark is None:
                break
            depth += 1 if mark[0] == "/*" else -1
            position = mark.end()
        elif query.startswith("/*", position):
            depth = 1
            position += 2
        elif (quoted := _QUOTED.match(query, position)) is not None:
            kept.append(" ")
            position = quoted.end()
        else:
            kept.append(query[position])
            position += 1
    return "".join(kept)
