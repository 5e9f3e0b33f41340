"""What drivers of databases may log at their loudest: statements, and no values: those are names and phone numbers."""

import logging

from sqlalchemy import Engine
from sqlalchemy.ext.asyncio import AsyncEngine


def keep_rows_out_of_logs() -> None:
    """Drop what SQLAlchemy writes of each row that it reads, and aiosqlite of each statement, whoever turned it on."""
    logging.getLogger("sqlalchemy.engine.Engine").addFilter(_is_no_row)
    logging.getLogger("aiosqlite").addFilter(_is_above_debug)


def keep_values_out_of_logs(engine: Engine | AsyncEngine) -> None:
    """Have an engine that somebody else made log its statements without the values that go with them."""
    (engine.sync_engine if isinstance(engine, AsyncEngine) else engine).hide_parameters = True


def _is_no_row(record: logging.LogRecord) -> bool:
    return not str(record.msg).startswith("Row ")


def _is_above_debug(record: logging.LogRecord) -> bool:
    return record.levelno > logging.DEBUG
