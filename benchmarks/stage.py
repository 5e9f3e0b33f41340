"""The stage of a measurement: sandbox, Prefect server, webhook receiver, each a process, and a measured program.

Promises that what a program used includes what it made Prefect's server do, events that arrive late included: after
each program the server is waited for until it has nothing to do.
"""

import contextlib
import json
import shutil
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
from tests.servers.postgres import run_postgres
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
        stats: What the sandbox says of it.
    """

    own: dict[str, Any]
    server_processor: float
    stats: dict[str, Any]

    @property
    def calls(self) -> int:
        """Calls that it made."""
        return int(self.own["calls"])

    @property
    def processor_per_call(self) -> float:
        """Seconds of processor for a call, the program and Prefect's server together."""
        return (float(self.own["processor"]) + self.server_processor) / self.calls

    @property
    def requests(self) -> int:
        """Requests to Hamsa."""
        return sum(self.stats["requests"].values())


@dataclass(frozen=True, slots=True)
class Busy:
    """What was seen of a campaign that was broken off.

    Attributes:
        own: What it said of itself last, see `benchmarks.measured`.
        calls: All its calls, as the sandbox tells of them.
        began: From when on it was looked at.
        ended: Until when.
        lines: How many lines it had.
    """

    own: dict[str, Any]
    calls: list[dict[str, Any]]
    began: datetime
    ended: datetime
    lines: int

    @property
    def share(self) -> float:
        """The share of line time in use."""
        used = sum(
            max(
                0.0,
                (
                    min(_moment(call["ended_at"]), self.ended) - max(_moment(call["created_at"]), self.began)
                ).total_seconds(),
            )
            for call in self.calls
        )
        return used / (self.lines * (self.ended - self.began).total_seconds())


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
        self.reaper = reaper
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
        file, options = self._options(options)
        server = psutil.Process(self.server.program.pid)
        self.server_rests()
        processor = _processor(server)
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.measured", kind, str(file)],
            env=self._environment,
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
            stats=self.sandbox.stats(),
        )

    def measure_for(self, seconds: float, lines: int, **options: Any) -> "Busy":
        """Run a campaign until its lines are filled and for some time more, and break it off there.

        Args:
            seconds: How long to look, in the machine's own time.
            lines: So many are to be filled.
            options: For the campaign, see `benchmarks.measured`.

        Raises:
            RuntimeError: The lines were never filled.
        """
        file, options = self._options({"policy": {"lines": lines}, **options})
        command = [sys.executable, "-m", "benchmarks.measured", "campaign", str(file)]
        log = self.folder / f"output-{self._runs}.log"
        figures = Path(f"{options['ledger']}.figures")
        with Program(command, log=log, reaper=self.reaper, environment=self._environment) as program:
            program.wait_until(
                lambda: self.sandbox.stats()["most_lines_at_once"] >= lines, what="filled its lines", within_seconds=600
            )
            began = datetime.now(UTC)
            figures.unlink(missing_ok=True)
            time.sleep(seconds)
            ended = datetime.now(UTC)
            own = json.loads(figures.read_text(encoding="utf-8"))
            program.kill()
        return Busy(own, self.sandbox.calls(), began, ended, lines)

    def program(self, module: str, *arguments: str) -> dict[str, Any]:
        """Run another module of the benchmarks to its end. Returns what it printed, as JSON.

        Raises:
            RuntimeError: It failed; the text is what it said.
        """
        command = [sys.executable, "-m", module, *arguments]
        done = subprocess.run(command, env=self._environment, capture_output=True, text=True, check=False)
        if done.returncode:
            message = f"The program {module} failed. It said: {done.stderr[-3000:]}"
            raise RuntimeError(message)
        figures: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
        return figures

    @contextlib.contextmanager
    def sqlite(self) -> Iterator[str]:
        """The address of a ledger in a file of its own."""
        yield f"sqlite+aiosqlite:///{self.folder / 'history.db'}"

    @property
    def _environment(self) -> dict[str, str]:
        return {**self.server.environment, **self.reaper.environment, "PREFECT_LOGGING_LEVEL": "WARNING"}

    def _options(self, options: Mapping[str, Any]) -> tuple[Path, dict[str, Any]]:
        """Start a run again: a file of its options, and these."""
        self._runs += 1
        self.sandbox.reset()
        options = {"base_url": self.sandbox.base_url, "api_key": self.sandbox.api_key, **options}
        options.setdefault("ledger", str(self.folder / f"ledger-{self._runs}.db"))
        if self._speed != 1.0:
            options |= {"speed": self._speed, "epoch": self._epoch.isoformat()}
        file = self.folder / f"options-{self._runs}.json"
        file.write_text(json.dumps(options), encoding="utf-8")
        return file, options

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
        with Program(command, log=log, reaper=self.reaper, environment=environment) as program:
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


def _processor(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


@contextlib.contextmanager
def postgres_database(reaper: ProcessReaper) -> Iterator[str]:
    """The address of a fresh database on a PostgreSQL server that runs for the length of the block."""
    with run_postgres(reaper) as server, server.database() as url:
        yield url


def _moment(text: str | None) -> datetime:
    """A moment as the sandbox tells it; of a call that is still on the line, the end of days."""
    return datetime.fromisoformat(text) if text else datetime.max.replace(tzinfo=UTC)


def _answers(url: str) -> bool:
    try:
        httpx.get(url, trust_env=False, timeout=5)
    except httpx.TransportError:
        return False
    return True
