"""`python -m webhooks`: the webhook receiver, set up by `HAMSA_WEBHOOK_…` variables."""

import argparse
import asyncio
import contextlib
import logging
import os
import socket
import sys
import textwrap
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path

from campaign.clock import SystemClock
from campaign.errors import LedgerError, LedgerTooNew
from campaign.following import CallEvent
from campaign.ledger import Ledger, default_url
from hamsa.urls import is_loopback
from webhooks.receiver import PATH, create_app
from webhooks.recorder import Recorder
from webhooks.server import address_of, listen, make_server
from webhooks.settings import PREFIX, WebhookSettings, read_settings
from webhooks.spool import Spool
from webhooks.spool_file import SpoolError

logger = logging.getLogger("webhooks")


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until told to stop.

    Returns:
        The exit status: 0 after SIGINT or SIGTERM, 2 if it could not start.
    """
    _parser().parse_args(arguments)
    try:
        settings = read_settings(os.environ)
        emit = _emitter(settings)
        _log(settings)
        with contextlib.closing(_listen(settings)) as listening:
            asyncio.run(_serve(settings, listening, emit))
    except (ValueError, LedgerError, SpoolError) as problem:
        print(f"webhooks: {problem}", file=sys.stderr)
        return 2
    return 0


async def _serve(settings: WebhookSettings, listening: socket.socket, emit: Callable[[CallEvent], None]) -> None:
    clock = SystemClock()
    url = settings.ledger_url.get_secret_value() if settings.ledger_url else default_url(_prefect_home())
    await _try(Ledger(url))
    async with Spool(settings.spool_path or default_spool_path(), clock=clock) as spool:
        recorder = Recorder(
            spool,
            partial(Ledger, url),
            emit=emit,
            opt_out_fields=settings.opt_out_fields,
            keep=timedelta(days=settings.keep_days),
            clock=clock,
        )
        server = make_server(
            create_app(settings, spool, recorder, clock=clock),
            max_connections=settings.max_connections,
            max_connections_per_address=settings.max_connections_per_address,
        )
        print(f"Taking Hamsa's events on {address_of(listening)}{PATH}; they wait in {spool.path}.", flush=True)
        if not is_loopback(settings.host):
            logger.warning("Other machines can reach this receiver, and it speaks plain HTTP: put TLS in front of it")
        await server.serve(sockets=[listening])


async def _try(ledger: Ledger) -> None:
    """See whether the ledger can be used. If it is only away, events wait for it.

    Raises:
        LedgerTooNew: A newer release wrote it: somebody must upgrade this one.
    """
    try:
        await ledger.open()
    except LedgerTooNew:
        raise
    except LedgerError as error:
        logger.warning("Events are taken and wait for the ledger. %s", error)
    else:
        await ledger.close()


def default_spool_path() -> Path:
    """Where the spool is if nobody named a place: beside the default ledger."""
    return _prefect_home() / "hamsa" / "webhooks.db"


def _prefect_home() -> Path:
    """Where Prefect's own data is, and the ledger of whoever named none: as for the block Call Ledger."""
    # Imported only where it is needed: Prefect takes seconds to import, and some receivers have no use for it.
    from prefect.settings import get_current_settings  # noqa: PLC0415

    return get_current_settings().home


def _log(settings: WebhookSettings) -> None:
    # `force`: Prefect sets up logging while it is imported, for runs and not for a server.
    form = "%(asctime)s %(levelname)s %(name)s: %(message)s"
    logging.basicConfig(level=settings.log_level.upper(), format=form, force=True)
    # What libraries log of themselves is of no interest beside what comes in.
    for name in ("uvicorn", "httpx", "httpcore", "websockets"):
        logging.getLogger(name).setLevel(logging.WARNING)


def _emitter(settings: WebhookSettings) -> Callable[[CallEvent], None]:
    """Make what emits Prefect's events.

    Raises:
        ValueError: There is no Prefect server to emit events to.
    """
    if not settings.events:
        return lambda _fact: None
    from prefect.settings import get_current_settings  # noqa: PLC0415 - as above

    from runtime.events import call_event_emitter  # noqa: PLC0415

    if not get_current_settings().api.url:
        raise ValueError(
            "There is no Prefect server to emit events to: set PREFECT_API_URL to its address, or "
            f"{PREFIX}EVENTS=false to record them in the ledger only."
        )
    return call_event_emitter(settings.outcome_fields)


def _listen(settings: WebhookSettings) -> socket.socket:
    try:
        return listen(settings.host, settings.port)
    except OSError as error:
        raise ValueError(
            f"{settings.host}:{settings.port} cannot be listened on ({error.strerror}): set {PREFIX}HOST to an address "
            f"of this machine and {PREFIX}PORT to a port that is free."
        ) from None


def _parser() -> argparse.ArgumentParser:
    lines = [
        "Takes Hamsa's events, records them in the ledger and emits Prefect's events. These variables set it up:",
        "",
    ]
    for name, field in WebhookSettings.model_fields.items():
        lines += [
            PREFIX + name.upper(),
            textwrap.fill(str(field.description), 78, initial_indent="    ", subsequent_indent="    "),
        ]
    return argparse.ArgumentParser(
        prog="python -m webhooks",
        description="\n".join(lines),
        epilog="How to deploy it is described in docs/how-to/webhooks.md.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


if __name__ == "__main__":
    sys.exit(main())
