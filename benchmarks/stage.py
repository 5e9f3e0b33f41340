"""The stage of a measurement: sandbox, Prefect server, webhook receiver, each a process, and a measured program.

Promises that what a program used includes what it made Prefect's server do, events that arrive late included: after
each program the server is waited for until it has nothing to do.
"""

import contextlib
import json
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psutil

from tests.servers.environment import isolated_environment
from tests.servers.prefect import PrefectServer, run_prefect_server
from tests.servers.process_reaper import ProcessReaper
from tests.servers.program import Port, Program
from tests.servers.sandbox import RunningSandbox, start_sandbox

WEBHOOK_SECRET = "a-secret-for-benchmarks-alone"
IDLE_SHARE = 0.1
"""A server that uses less of a processor than this has nothing to do for anybody."""
LONGEST_WAIT_SECONDS = 20.0

INSTANT: Mapping[str, Any] = {
    "magic_numbers": False,
    "opt_outs": 0,
    "transitions": {
        "ringing": [{"to": "talking", "weight": 1, "dwell": "pick_up"}],
        "talking": [{"to": "completed", "weight": 1, "dwell": "talk"}],
    },
    "dwells": {name: {"mean_seconds": 0} for name in ("queue", "pick_up", "ring_out", "fail", "talk")},
}
"""Calls of no length: what is left is what placing them costs."""

NINETY_SECONDS: Mapping[str, Any] = {
    **INSTANT,
    "dwells": {**INSTANT["dwells"], "talk": {"mean_seconds": 90, "sigma": 0.6}},
}
"""Calls of log-normal length, 90 seconds on average."""


@dataclass(frozen=True, slots=True)
class Used:
    """What a measured program used.

    Attributes:
        own: Its own figures, see `benchmarks.measured`.
        server_processor: Seconds of processor of Prefect's server.
        database: Bytes by which Prefect's database grew.
        stats: What the sandbox says of it.
    """

    own: dict[str, Any]
    server_processor: float
    database: int
    stats: dict[str, Any]

    @property
    def calls(self) -> int:
        """Calls that it made."""
        return int(self.own["calls"])

    @property
    def per_second(self) -> float:
        """Calls in a second, from the start of the flow to its end."""
        return self.calls / float(self.own["seconds"])

    @property
    def processor_per_call(self) -> float:
        """Seconds of processor for a call, the program and Prefect's server together."""
        return (float(self.own["processor"]) + self.server_processor) / self.calls

    @property
    def bytes_per_call(self) -> float:
        """Bytes of Prefect's database for a call."""
        return self.database / self.calls

    @property
    def requests(self) -> int:
        """Requests to Hamsa."""
        return sum(self.stats["requests"].values())


class Stage:
    """Programs to measure against; see `stage`.

    Args:
        folder: For files of this stage.
        reaper: What processes are tied to.
        server: Prefect's.
        sandbox: Hamsa's.
        epoch: When the sandbox's clock and the machine's agreed.
        speed: How many times as fast the sandbox's clock is.
    """

    def __init__(
        self,
        folder: Path,
        *,
        reaper: ProcessReaper,
        server: PrefectServer,
        sandbox: RunningSandbox,
        epoch: datetime,
        speed: float,
    ) -> None:
        self.folder = folder
        self.server = server
        self.sandbox = sandbox
        self._reaper = reaper
        self._epoch = epoch
        self._speed = speed
        self._runs = 0

    def measure(self, kind: str, **options: Any) -> Used:
        """Run a measured program to its end.

        Args:
            kind: Which one, see `benchmarks.measured.KINDS`.
            options: For it.

        Raises:
            RuntimeError: It failed; the text is what it said.
        """
        self._runs += 1
        self.sandbox.reset()
        options = {"base_url": self.sandbox.base_url, "api_key": self.sandbox.api_key, **options}
        options.setdefault("ledger", str(self.folder / f"ledger-{self._runs}.db"))
        if self._speed != 1.0:
            options |= {"speed": self._speed, "epoch": self._epoch.isoformat()}
        file = self.folder / f"options-{self._runs}.json"
        file.write_text(json.dumps(options), encoding="utf-8")
        server = psutil.Process(self.server.program.pid)
        self.server_rests()
        size, processor = database_bytes(self.server.database), _processor(server)
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.measured", kind, str(file)],
            env={**self.server.environment, **self._reaper.environment, "PREFECT_LOGGING_LEVEL": "WARNING"},
            capture_output=True,
            text=True,
            check=False,
        )
        (self.folder / f"output-{self._runs}.log").write_text(done.stderr, encoding="utf-8")
        if done.returncode:
            message = f"The program {kind} failed. It said: {done.stderr[-3000:]}"
            raise RuntimeError(message)
        own = json.loads(done.stdout.strip().splitlines()[-1])
        rest = self.server_rests()
        return Used(
            own=own,
            server_processor=max(0.0, rest - processor),
            database=database_bytes(self.server.database) - size,
            stats=self.sandbox.stats(),
        )

    def server_rests(self) -> float:
        """Wait until Prefect's server has nothing to do. Returns the seconds of processor it has used so far."""
        server = psutil.Process(self.server.program.pid)
        until = time.monotonic() + LONGEST_WAIT_SECONDS
        quiet = 0
        used = _processor(server)
        while quiet < 2 and time.monotonic() < until:
            before = used
            time.sleep(0.7)
            used = _processor(server)
            quiet = quiet + 1 if used - before < 0.7 * IDLE_SHARE else 0
        return used

    @contextlib.contextmanager
    def receiver(self, ledger: Path) -> Iterator[str]:
        """Run the webhook receiver on this ledger for the length of the block; gives its address."""
        port = Port()
        environment = isolated_environment({}, home=self.server.home, api_url=self.server.api_url) | {
            "HAMSA_WEBHOOK_AUTH_SECRET": WEBHOOK_SECRET,
            "HAMSA_WEBHOOK_PORT": str(port.number),
            "HAMSA_WEBHOOK_LEDGER_URL": f"sqlite:///{ledger}",
            "HAMSA_WEBHOOK_SPOOL_PATH": str(self.folder / f"spool-{port.number}.db"),
            "HAMSA_WEBHOOK_EVENTS": "false",
            "HAMSA_WEBHOOK_LOG_LEVEL": "warning",
        }
        port.hand_over()
        command = [sys.executable, "-m", "webhooks"]
        log = self.folder / f"receiver-{port.number}.log"
        url = f"http://127.0.0.1:{port.number}/hamsa"
        with Program(command, log=log, reaper=self._reaper, environment=environment) as program:
            program.wait_until(lambda: _answers(url), what="answered", within_seconds=30)
            yield url


@contextlib.contextmanager
def stage(scenario: Mapping[str, Any], *, speed: float = 1.0) -> Iterator[Stage]:
    """Set up a stage for the length of the block.

    Args:
        scenario: The sandbox's.
        speed: How many times as fast the sandbox's clock, and a campaign's on this stage, shall be.
    """
    reaper = ProcessReaper()
    folder = Path(tempfile.mkdtemp(prefix="hamsa-benchmarks-"))
    reaper.folder(folder)
    epoch = datetime.now(UTC)
    try:
        clock = ("--clock-epoch", epoch.isoformat()) if speed != 1.0 else ()
        sandbox = start_sandbox(reaper, folder, speed=speed, scenario=scenario, arguments=clock)
        template = Path(tempfile.gettempdir()) / "hamsa-benchmarks-prefect.db"
        with sandbox.program, run_prefect_server(reaper, folder / "prefect", template=template) as server:
            yield Stage(folder, reaper=reaper, server=server, sandbox=sandbox, epoch=epoch, speed=speed)
    finally:
        reaper.release()
        shutil.rmtree(folder, ignore_errors=True)


def database_bytes(file: Path) -> int:
    """What a SQLite database holds: the pages of its file in use, once its log is written into it."""
    with contextlib.closing(sqlite3.connect(file, timeout=30)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        pages, free, size = (
            database.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
        )
    return int((pages - free) * size)


def _processor(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _answers(url: str) -> bool:
    try:
        httpx.get(url, trust_env=False, timeout=5)
    except httpx.TransportError:
        return False
    return True
