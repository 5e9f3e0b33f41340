"""Where the demo keeps what it makes, and what its programs see of the shell that it was started from.

Promises that nothing of a person's own set-up (a Prefect profile or server, a Hamsa key, a proxy) reaches the demo,
that what it starts stays on this machine, and that two demos never work in one folder at once.
"""

import contextlib
import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from examples.demo.problem import DemoProblem
from sandbox.loopback import guarded_environment

PROJECT = Path(__file__).resolve().parents[2]
"""The folder that holds the packages."""

_NOT_OURS = ("PREFECT_", "HAMSA_")
_PROXIES = frozenset({"http_proxy", "https_proxy", "all_proxy", "ws_proxy", "wss_proxy"})

LOCK_SECONDS = 12.0
"""How long to wait for a lock whose holder is gone: longer than the programs of a killed demo take to end."""


@dataclass(frozen=True, slots=True)
class Place:
    """The demo's folder and what is in it."""

    folder: Path

    @property
    def prefect_home(self) -> Path:
        """Prefect's database and all that belongs to it."""
        return self.folder / "prefect"

    @property
    def ledger(self) -> Path:
        """The ledger: a SQLite file."""
        return self.folder / "calls.db"

    @property
    def receivables(self) -> Path:
        """The customers and their invoices: a SQLite file."""
        return self.folder / "receivables.sqlite"

    def log(self, name: str) -> Path:
        """The log of one of its programs."""
        return self.folder / f"{name}.log"

    def remember(self, name: str, facts: Mapping[str, Any]) -> None:
        """Keep facts for the next time."""
        file = self.folder / f"{name}.json"
        half = file.with_suffix(f".{os.getpid()}")
        half.write_text(json.dumps(facts, indent=2), encoding="utf-8")
        half.replace(file)

    def recall(self, name: str) -> dict[str, Any]:
        """What was remembered under that name; nothing, if nothing or nothing readable."""
        try:
            facts = json.loads((self.folder / f"{name}.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return facts if isinstance(facts, dict) else {}

    def make(self) -> None:
        """Make the folders.

        Raises:
            DemoProblem: They cannot be made.
        """
        try:
            self.prefect_home.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DemoProblem(f"The folder {self} cannot be made: {error.strerror}.") from None

    def forget(self) -> None:
        """Remove what earlier demos left, and nothing else."""
        shutil.rmtree(self.prefect_home, ignore_errors=True)
        for pattern in ("calls.db*", "receivables.sqlite*", "*.log", "*.json"):
            for file in self.folder.glob(pattern):
                file.unlink(missing_ok=True)
        self.make()

    def environment(self, port: int, *, ui: bool = False) -> dict[str, str]:
        """The whole environment of a program of the demo.

        Args:
            port: Where its Prefect server listens.
            ui: Whether that server shows the UI.
        """
        address = server_address(port)
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.upper().startswith(_NOT_OURS) and name.lower() not in _PROXIES
        }
        return guarded_environment(kept) | {
            "PREFECT_HOME": str(self.prefect_home),
            "PREFECT_API_URL": f"{address}/api",
            "PREFECT_UI_URL": address,
            "PREFECT_UI_API_URL": f"{address}/api",
            "PREFECT_UI_ENABLED": "true" if ui else "false",
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

    def __str__(self) -> str:
        return shown(self.folder)


def server_address(port: int) -> str:
    """Where the Prefect server on that port is."""
    return f"http://127.0.0.1:{port}"


def shown(path: Path) -> str:
    """A path as a person at this terminal would type it."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


@contextlib.contextmanager
def alone(place: Place, role: str, otherwise: str) -> Iterator[int]:
    """Hold a lock of the place for the length of the block, as the only process in that role.

    Programs that are handed the lock's file descriptor hold it too: after a kill it is free when all have ended.

    Args:
        place: Where.
        role: What for; the lock's name.
        otherwise: What to say when somebody else holds it.

    Yields:
        The lock's file descriptor.

    Raises:
        DemoProblem: Somebody else holds it.
    """
    descriptor = os.open(place.folder / f"{role}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        deadline = time.monotonic() + LOCK_SECONDS
        while not _lock(descriptor):
            if time.monotonic() > deadline or _lives(place.recall(role).get("process")):
                raise DemoProblem(otherwise)
            time.sleep(0.1)
        place.remember(role, {"process": os.getpid()})
        yield descriptor
    finally:
        os.close(descriptor)


def is_taken(place: Place, role: str) -> bool:
    """Whether some process holds that lock now."""
    try:
        descriptor = os.open(place.folder / f"{role}.lock", os.O_RDWR)
    except OSError:
        return False
    try:
        return not _lock(descriptor)
    finally:
        os.close(descriptor)


def _lives(process: object) -> bool:
    if not isinstance(process, int):
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
