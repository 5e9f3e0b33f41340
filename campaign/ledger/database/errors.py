"""What a database's complaint means: whose fault it is, and one sentence for the person who runs the campaign.

Promises that the sentence holds no password and no phone number, whatever the driver wrote into its own message.
"""

import sqlite3
from enum import Enum, auto

from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError, StatementError
from sqlalchemy.exc import TimeoutError as NoFreeConnection

from campaign.errors import LedgerError


class Blame(Enum):
    """Whose fault an error is, and so who has to try again."""

    MOMENT = auto()
    """Two transactions met: the same one again goes through."""
    WRITE = auto()
    """One write cannot be done. Others in the same transaction can."""
    DATABASE = auto()
    """The database cannot be written or reached now: nothing can be done."""


_MET = frozenset({"40001", "40P01"})
"""PostgreSQL's codes for a serialization failure and a deadlock."""

_BAD_VALUES = ("22", "23")
"""PostgreSQL's classes of errors that lie in the values of one statement."""

_ADVICE = (
    (
        ("certificate", "ssl"),
        "set `sslrootcert` in its URL to the CA of the server's certificate, and name the host as the certificate does",
    ),
    (("locked", "lock timeout"), "wait for the program that holds it"),
    (("is full", "no space left", "disk quota"), "make room on its disk"),
    (
        ("readonly", "read-only", "permission denied", "unable to open", "not permitted"),
        "let this user write to it and its folder",
    ),
    (("not a database", "malformed"), "name another file, or bring back a copy of this one"),
    (("password", "role "), "correct the user or the password in its URL"),
    (
        ("connect", "timeout", "timed out", "closed", "shut", "starting up", "name or service", "terminating"),
        "check that the database runs and can be reached",
    ),
)
"""Words in a driver's message, in lower case, and what to do about it."""


def blame(error: Exception) -> Blame:
    """Say whose fault an error in a transaction is."""
    if isinstance(error, IntegrityError):
        return Blame.WRITE
    if isinstance(error, DBAPIError):
        return _blame_driver(error)
    if isinstance(error, StatementError):
        return Blame.WRITE  # a value that cannot be written
    return Blame.DATABASE if isinstance(error, OSError | NoFreeConnection | SQLAlchemyError) else Blame.WRITE


def _blame_driver(error: DBAPIError) -> Blame:
    code = getattr(error.orig, "sqlstate", None)
    if code is not None:
        if code in _MET:
            return Blame.MOMENT
        return Blame.WRITE if str(code).startswith(_BAD_VALUES) else Blame.DATABASE
    if isinstance(error.orig, sqlite3.DataError | sqlite3.InterfaceError | sqlite3.ProgrammingError):
        return Blame.WRITE
    # asyncpg, about a value that it cannot encode.
    return Blame.WRITE if isinstance(getattr(error.orig, "__cause__", None), ValueError) else Blame.DATABASE


def was_cut(error: Exception) -> bool:
    """Whether the connection is gone, so that another one may work."""
    return isinstance(error, DBAPIError) and error.connection_invalidated


def ledger_error(error: Exception, *, ledger: str, verb: str) -> LedgerError:
    """Put an error into a sentence: the ledger of this name cannot be `opened`, `read` or `written`."""
    words = _words(error)
    advice = next(
        (advice for signs, advice in _ADVICE if any(sign in words.lower() for sign in signs)),
        "check its URL, its disk and this user's permissions",
    )
    return LedgerError(
        f"The ledger {ledger} cannot be {verb}: {words}. Nobody is called without it; {advice}, and run again."
    )


def _words(error: Exception) -> str:
    cause = error.orig if isinstance(error, StatementError) and error.orig is not None else error
    if blame(error) is Blame.WRITE and not isinstance(error, IntegrityError):
        return f"a value cannot be kept in it ({type(cause).__name__})"  # the driver would quote the value
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror
    # The first line alone: those after it may quote a row. SQLAlchemy puts the class of asyncpg's errors before them.
    line = next(iter(str(cause).strip().splitlines()), "").rstrip(".")
    return line.split("'>: ", 1)[-1] or type(cause).__name__
