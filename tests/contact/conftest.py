"""One server, one sandbox and one worker for all tests here: each takes ten seconds to start."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.contact.place import POOL, Place
from tests.servers.prefect import PrefectServer, start_worker
from tests.servers.process_reaper import ProcessReaper
from tests.servers.program import Program
from tests.servers.sandbox import start_sandbox


@pytest.fixture(scope="package")
def place(
    _prefect_server: PrefectServer, reaper: ProcessReaper, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    """The project, deployed on the suite's server; nobody works on it yet, and no block is saved."""
    folder = tmp_path_factory.mktemp("place")
    scenario = {"magic_numbers": False, "opt_outs": 0}
    sandbox = start_sandbox(reaper, folder, speed=60.0, scenario=scenario)
    place = Place(_prefect_server, sandbox, folder)
    place.deploy()
    yield place
    sandbox.program.stop()


class SharedWorker:
    """The worker of the deployments' pool. A test may kill it, or stop it: the next test starts it again."""

    def __init__(self, place: Place, reaper: ProcessReaper) -> None:
        self._place = place
        self._reaper = reaper
        self._program: Program | None = None
        self._started = 0

    def running(self) -> Program:
        if self._program is None or not self._program.is_running:
            self._started += 1
            name = f"shared-{self._started}"
            self._program = start_worker(
                self._place.server, POOL, name=name, reaper=self._reaper, settings=self._place.settings
            )
        return self._program

    def stop(self) -> None:
        if self._program is not None:
            self._program.stop()
            self._program = None


@pytest.fixture(scope="package")
def shared_worker(place: Place, reaper: ProcessReaper) -> Iterator[SharedWorker]:
    """The worker that the tests share, not running before it is asked for."""
    shared = SharedWorker(place, reaper)
    yield shared
    shared.stop()


@pytest.fixture
def worker(shared_worker: SharedWorker) -> Program:
    """A worker of the deployments' pool, running."""
    return shared_worker.running()


@pytest.fixture
def event_trigger(place: Place) -> Iterator[str]:
    """The deployment that an event starts, its trigger switched on as in the UI, and off again afterwards."""
    place.switch_trigger(on=True)
    yield place.BY_EVENT
    place.switch_trigger(on=False)


@pytest.fixture
def attempts() -> Callable[[Path], dict[str, int]]:
    """Counts the attempts in a SQLite ledger by their state."""

    def count(ledger: Path) -> dict[str, int]:
        with closing(sqlite3.connect(ledger)) as connection, connection:
            found = dict(connection.execute("select state, count(*) from call_attempts group by state").fetchall())
        connection.close()
        return found

    return count
