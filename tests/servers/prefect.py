"""A real Prefect server and real workers, each as a process with a `PREFECT_HOME` of its own.

Promises a server that takes runs, events and automations as one in use does, on loopback, with a fresh database.
"""

import contextlib
import fcntl
import os
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx

from tests.servers.environment import isolated_environment
from tests.servers.http import ask
from tests.servers.process_reaper import ProcessReaper
from tests.servers.program import Port, Program


class PrefectServer:
    """A running Prefect server.

    Args:
        program: Its process.
        home: Its `PREFECT_HOME`.
        port: Its port on 127.0.0.1.
    """

    def __init__(self, program: Program, *, home: Path, port: int) -> None:
        self.program = program
        self.home = home
        self.address = f"http://127.0.0.1:{port}"
        """Where its UI is, when it serves one."""
        self.api_url = api_url(port)
        # Prefect's runner keeps the flows it runs in a folder of one name for all users of the machine: not here.
        scratch = home / "tmp"
        scratch.mkdir(exist_ok=True)
        self.environment = isolated_environment(os.environ, home=home, api_url=self.api_url) | {"TMPDIR": str(scratch)}
        """For a program that shall talk to this server and share its home."""

    @property
    def database(self) -> Path:
        """Its SQLite file."""
        return self.home / "prefect.db"

    def answers(self) -> bool:
        """Whether it is ready."""
        try:
            return ask("GET", f"{self.api_url}/health", timeout=5).is_success
        except httpx.TransportError:
            return False

    def workers_online(self, pool: str) -> frozenset[str]:
        """The names of the workers that serve `pool` now; none when there is no such pool."""
        answer = ask("POST", f"{self.api_url}/work_pools/{pool}/workers/filter", {})
        workers = answer.json() if answer.is_success else []
        return frozenset(worker["name"] for worker in workers if worker["status"] == "ONLINE")


def api_url(port: int) -> str:
    """The address of the API of a server on `port`."""
    return f"http://127.0.0.1:{port}/api"


@contextlib.contextmanager
def run_prefect_server(
    reaper: ProcessReaper,
    home: Path,
    *,
    port: Port | None = None,
    template: Path | None = None,
    ui: bool = False,
    settings: Mapping[str, str] | None = None,
) -> Iterator[PrefectServer]:
    """Run a Prefect server for the length of the block.

    Args:
        reaper: What it is tied to.
        home: Its `PREFECT_HOME`, made if need be. A database that is there already is used.
        port: Where it shall listen; any free port when left out.
        template: A file that keeps an empty database from one start to the next: two thirds of a first start are spent
            on the steps that lead to the newest schema. Made when it is not there yet.
        ui: Whether it serves the UI as well.
        settings: Further `PREFECT_…` variables for it alone.

    Yields:
        The server, ready.

    Raises:
        ProgramFailed: It did not start; the message holds the end of its log.
    """
    port = port or Port()
    home.mkdir(parents=True, exist_ok=True)
    database = home / "prefect.db"
    is_new = not database.exists()
    environment = isolated_environment(os.environ, home=home, api_url=api_url(port.number)) | {
        "PREFECT_UI_ENABLED": "1" if ui else "0",
        "PREFECT_UI_API_URL": api_url(port.number),
        # Events are looked for as soon as they were sent: do not let them wait five seconds for company.
        "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_FLUSH_INTERVAL": "0.2",
        "PREFECT__SERVER_FINAL": "1",
        **(settings or {}),
    }
    with contextlib.ExitStack() as making:
        if is_new and template is not None:
            if not template.exists():
                making.enter_context(_one_at_a_time(template))
            if template.exists():
                shutil.copyfile(template, database)
        program = Program(
            [
                *(sys.executable, "-m", "uvicorn", "--factory", "prefect.server.api.server:create_app"),
                *("--host", "127.0.0.1", "--port", str(port.hand_over()), "--log-level", "warning", "--lifespan", "on"),
            ],
            log=home / "server.log",
            reaper=reaper,
            environment=environment,
        )
        server = PrefectServer(program, home=home, port=port.number)
        program.wait_until(server.answers, what="answered", within_seconds=240)
        if is_new and template is not None and not template.exists():
            _keep(database, template)
    with program:
        yield server


def start_worker(
    server: PrefectServer,
    pool: str,
    *,
    name: str,
    reaper: ProcessReaper,
    settings: Mapping[str, str] | None = None,
) -> Program:
    """Start a process worker for `pool`, which is made when it is not there, and wait until it is online.

    Args:
        server: The server whose runs it takes.
        pool: The name of the work pool.
        name: What it calls itself.
        reaper: What it is tied to.
        settings: Further variables for it and for the flows that it runs, on top of the server's environment.

    Returns:
        Its process: `stop()` ends it as an operator would, `kill()` as a crash would. A flow run that it started is a
        process of its own and survives a `kill()` of its worker.
    """
    environment = server.environment | {
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        "PREFECT_WORKER_HEARTBEAT_SECONDS": "2",
        "HAMSA_CSV_FOLDERS": tempfile.gettempdir(),  # where tests keep the files that they name in forms
        **(settings or {}),
    }
    program = Program(
        [
            *(sys.executable, "-m", "prefect", "worker", "start"),
            *("--pool", pool, "--type", "process", "--name", name),
        ],
        log=server.home / f"worker-{name}.log",
        reaper=reaper,
        environment=environment,
    )
    program.wait_until(lambda: name in server.workers_online(pool), what="was online", within_seconds=240)
    return program


@contextlib.contextmanager
def _one_at_a_time(template: Path) -> Iterator[None]:
    """Wait for another process that is about to make the same template, and then make others wait."""
    template.parent.mkdir(parents=True, exist_ok=True)
    with template.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _keep(database: Path, template: Path) -> None:
    """Copy the database of a running server, whole, or not at all."""
    template.parent.mkdir(parents=True, exist_ok=True)
    half = template.with_name(f"{template.name}.{os.getpid()}")
    with contextlib.closing(sqlite3.connect(database)) as source, contextlib.closing(sqlite3.connect(half)) as copy:
        source.backup(copy)
    half.replace(template)
