"""TLS to a PostgreSQL server, as the ledger's URL says it in libpq's words.

Promises that `verify-ca` and `verify-full` connect to no server whose certificate the CA did not sign, `verify-full` to
none of another name; and that a file that cannot be used is named in the error.
"""

import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from campaign.errors import LedgerError

MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")

SYSTEM = "system"
"""In place of a CA's file: those that the machine trusts."""

FILES = ("sslrootcert", "sslcert", "sslkey")
"""What a URL may say besides the mode: the CA's certificate, and the client's own with its key."""

_VERIFYING = ("verify-ca", "verify-full")


def tls_of(query: Mapping[str, str]) -> str | ssl.SSLContext | None:
    """What the driver is to be given: a mode that verifies nothing, or a context that verifies.

    Args:
        query: The options of the URL, `ssl` for the mode.

    Raises:
        LedgerError: A file cannot be used.
    """
    mode, root = query.get("ssl"), query.get("sslrootcert")
    if root is not None and mode == "require":
        mode = "verify-ca"  # as libpq has it
    if mode not in _VERIFYING and "sslcert" not in query:
        return mode
    context = ssl.create_default_context() if root in (None, SYSTEM) else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = mode == "verify-full"
    context.verify_mode = ssl.CERT_REQUIRED if mode in _VERIFYING else ssl.CERT_NONE
    if root is not None and root != SYSTEM:
        with _naming("sslrootcert", root):
            context.load_verify_locations(root)
    if (own := query.get("sslcert")) is not None:
        with _naming("sslcert", own):
            # A key with a passphrase would have the driver ask whoever sits before the terminal, and nobody does.
            context.load_cert_chain(own, query.get("sslkey"), password="")
    return context


def absolute(query: Mapping[str, str]) -> dict[str, str]:
    """The options of a URL, with files named from the root."""
    return {
        name: str(Path(value).expanduser().absolute()) if name in FILES and value != SYSTEM else value
        for name, value in query.items()
    }


@contextmanager
def _naming(option: str, file: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:  # an ssl.SSLError is one
        why = (
            error.strerror
            if isinstance(error, FileNotFoundError | PermissionError)
            else "it holds none, or not its key"
        )
        raise LedgerError(
            f"The ledger's URL names `{option}={file}`, which cannot be used ({why}): nobody is called. Name a "
            "certificate in PEM form that this user may read."
        ) from None
