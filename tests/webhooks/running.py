"""The receiver as a process of its own, spoken to over TCP as Hamsa would."""

import os
import sys
from pathlib import Path
from typing import Any

import httpx
from pydantic import SecretStr

from hamsa import WebhookAuth
from tests.servers.http import LOOPBACK, ask
from tests.servers.process_reaper import ProcessReaper
from tests.servers.program import Port, Program

SECRET = "the-webhook-secret-of-the-tests"
AUTH = WebhookAuth(auth_key="Bearer", auth_secret=SecretStr(SECRET))
HEADERS = {"authorization": f"Bearer {SECRET}", "content-type": "application/json"}


class RunningReceiver:
    """A running receiver.

    Args:
        program: Its process.
        port: Its port on 127.0.0.1.
        spool: Its file.
    """

    def __init__(self, program: Program, *, port: int, spool: Path) -> None:
        self.program = program
        self.port = port
        self.spool = spool
        self.url = f"http://127.0.0.1:{port}/hamsa"

    def health(self) -> Any:
        """What it says of itself."""
        return ask("GET", f"http://127.0.0.1:{self.port}/health").json()

    def post(self, *events: dict[str, Any]) -> list[int]:
        """Send events as Hamsa does, one after the other; the statuses of the answers."""
        with httpx.Client(**LOOPBACK, headers=HEADERS) as client:
            return [client.post(self.url, json=event).status_code for event in events]

    def answers(self) -> bool:
        """Whether it is ready."""
        try:
            return bool(self.health())
        except httpx.TransportError:
            return False


def start_receiver(
    reaper: ProcessReaper, folder: Path, *, ledger_url: str, port: int | None = None, **settings: object
) -> RunningReceiver:
    """Start `python -m webhooks` and wait until it answers.

    Args:
        reaper: What it is tied to.
        folder: Where its log and its spool go.
        ledger_url: The ledger.
        port: Its port, if it must be a certain one.
        settings: Further settings, by the names of their fields.
    """
    if port is None:
        port = Port().hand_over()
    spool = folder / "webhooks.db"
    given = {"auth_secret": SECRET, "ledger_url": ledger_url, "spool_path": spool, "events": False, "port": port}
    environment = {f"HAMSA_WEBHOOK_{name.upper()}": str(value) for name, value in (given | settings).items()}
    program = Program(
        [sys.executable, "-m", "webhooks"],
        log=folder / f"receiver-{port}.log",
        reaper=reaper,
        environment={**os.environ, **environment},
    )
    receiver = RunningReceiver(program, port=port, spool=spool)
    program.wait_until(receiver.answers, what="answered", within_seconds=240)
    return receiver
