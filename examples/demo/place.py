"""Where the demo keeps what it makes: one demo at a time, and nothing of a person's own set-up reaches it."""

import contextlib
import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sandbox.loopback import guarded_environment

PROJECT = Path(__file__).resolve().parents[2]

LOCK_SECONDS = 12
"""How long to wait for a lock whose holder is gone: longer than the programs of a killed demo take to end."""


class DemoProblem(Exception):
    """The demo cannot go on; the text says why and what to do."""


class Place:
    """The demo's folder and what is in it. Raises `DemoProblem` if it cannot be made."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.prefect_home = folder / "prefect"
        self.ledger = folder / "calls.db"
        self.receivables = folder / "receivables.sqlite"
        try:
            self.prefect_home.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DemoProblem(f"The folder {self} cannot be made: {error.strerror}.") from None

    def __str__(self) -> str:
        return shown(self.folder)

    def remember(self, name: str, facts: dict[str, Any]) -> None:
        """Keep facts for the next time."""
        (self.folder / f"{name}.json").write_text(json.dumps(facts, indent=2), encoding="utf-8")

    def recall(self, name: str) -> dict[str, Any]:
        """What was remembered under that name; nothing, if nothing or nothing readable."""
        with contextlib.suppress(OSError, ValueError):
            return dict(json.loads((self.folder / f"{name}.json").read_text(encoding="utf-8")))
        return {}

    def forget(self) -> None:
        """Remove what earlier demos left, and nothing else."""
        shutil.rmtree(self.prefect_home, ignore_errors=True)
        for pattern in ("calls.db*", "receivables.sqlite*", "*.log", "*.json"):
            for file in self.folder.glob(pattern):
                file.unlink(missing_ok=True)
        self.prefect_home.mkdir()

    def environment(self, port: int, *, ui: bool = False) -> dict[str, str]:
        """The whole environment of the demo, whose Prefect server listens on `port`, with or without UI."""
        proxies = {"http_proxy", "https_proxy", "all_proxy", "ws_proxy", "wss_proxy"}
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.upper().startswith(("PREFECT_", "HAMSA_")) and name.lower() not in proxies
        }
        return guarded_environment(kept) | {
            "PREFECT_HOME": str(self.prefect_home),
            "PREFECT_API_URL": f"{address_of(port)}/api",
            "PREFECT_UI_URL": address_of(port),
            "PREFECT_UI_API_URL": f"{address_of(port)}/api",
            "PREFECT_UI_ENABLED": str(ui).lower(),
            "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            # Events are looked for as soon as they were sent, and must be written before the server ends.
            "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_FLUSH_INTERVAL": "0.2",
            "PREFECT_LOGGING_COLORS": "false",
            "PREFECT_CLI_PROMPT": "false",
            "DO_NOT_TRACK": "1",
            "PYTHONUNBUFFERED": "1",
            "PYTHONUTF8": "1",
        }

    def enter(self, port: int) -> None:
        """Make the demo's environment that of this program."""
        environment = self.environment(port)
        os.environ.clear()
        os.environ.update(environment)

    @contextlib.contextmanager
    def alone(self) -> Iterator[int]:
        """Hold the place's lock, or raise `DemoProblem`. A program that is handed its descriptor holds it too."""
        with (self.folder / "demo.lock").open("w") as lock:
            for _ in range(LOCK_SECONDS * 10):
                with contextlib.suppress(BlockingIOError):
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                time.sleep(0.1)
            else:
                raise DemoProblem(f"A demo is running already in {self}, or its UI is open: stop that first.")
            yield lock.fileno()


def address_of(port: int) -> str:
    """Where the Prefect server on that port is."""
    return f"http://127.0.0.1:{port}"


def shown(path: Path) -> str:
    """A path as a person at this terminal would type it."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
