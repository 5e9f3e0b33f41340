"""How a ledger is named: a URL, in the ways that people write one.

Promises that a URL which names no ledger is refused with a sentence that does not repeat it: it may hold a password.
"""

from pathlib import Path

from pydantic import SecretStr
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from campaign.errors import LedgerError
from campaign.ledger.database.tls import FILES, MODES, SYSTEM, absolute

_POSTGRES_OPTIONS = frozenset({"ssl", "sslmode", *FILES})
"""What a PostgreSQL URL may say after its question mark."""


def default_url(home: Path) -> str:
    """The SQLite file that stands in where nobody named a ledger, below the folder `home`."""
    return f"sqlite+aiosqlite:///{home / 'hamsa' / 'calls.db'}"


def ledger_url(url: str) -> URL:
    """Read a ledger's URL and name the driver that is used for it.

    Raises:
        LedgerError: It names no database this program can use. The sentence does not repeat it.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise LedgerError(
            "The ledger's URL cannot be read: write it like `sqlite:////data/calls.db` or "
            "`postgresql://user:password@host/database`, with %40 for an @ in the password."
        ) from None
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        return _file_url(parsed)
    if backend in ("postgresql", "postgres"):
        return _postgres_url(parsed)
    raise LedgerError(f"The ledger's URL names {backend}: this program keeps it in SQLite or PostgreSQL only.")


def checked_url(url: SecretStr | None) -> SecretStr | None:
    """A ledger's URL as a form or the environment gives it, without blanks around.

    Raises:
        ValueError: It names no ledger.
    """
    if url is None:
        return None
    text = url.get_secret_value().strip()
    try:
        ledger_url(text)
    except LedgerError as error:
        problem = str(error)
    else:
        return SecretStr(text)
    # Raised out here: the error of the library that reads the URL may hold it, password and all.
    raise ValueError(problem)


def _file_url(url: URL) -> URL:
    if url.database in (None, "", ":memory:"):
        raise LedgerError(
            "The ledger's URL names no file: a ledger in memory would forget every call. Write `sqlite:///` and a path."
        )
    if url.query or str(url.database).startswith("file:"):
        raise LedgerError("The ledger's URL says more than where its file is: write `sqlite:///` and a path alone.")
    # Made absolute here and now: connections are opened later, when the working directory may be another one.
    return url.set(drivername="sqlite+aiosqlite", database=str(Path(str(url.database)).expanduser().absolute()))


def _postgres_url(url: URL) -> URL:
    if unknown := sorted(set(url.query) - _POSTGRES_OPTIONS):
        raise LedgerError(
            f"The ledger's URL has an option `{unknown[0]}` that this program does not know: "
            f"leave it out; there are sslmode, {', '.join(FILES)}."
        )
    if twice := sorted(name for name, value in url.query.items() if not isinstance(value, str)):
        raise LedgerError(f"The ledger's URL says `{twice[0]}` twice: say it once.")
    query = absolute({name: str(value) for name, value in url.query.items()})
    if "sslmode" in query:  # libpq's word, as hosters write it; asyncpg says ssl
        query["ssl"] = query.pop("sslmode")
    if query.get("sslrootcert") == SYSTEM:
        query.setdefault("ssl", "verify-full")
    if query.get("ssl", "prefer") not in MODES:
        raise LedgerError(f"In the ledger's URL `sslmode` must be one of {', '.join(MODES)}.")
    if "sslkey" in query and "sslcert" not in query:
        raise LedgerError("The ledger's URL names `sslkey` and no `sslcert`: a key goes with its certificate.")
    if "sslrootcert" in query and query.get("ssl", "prefer") in ("disable", "allow", "prefer"):
        raise LedgerError(
            "The ledger's URL names `sslrootcert`, and its `sslmode` checks nothing by it: write `sslmode=verify-full`."
        )
    return url.set(drivername="postgresql+asyncpg", query=query)
