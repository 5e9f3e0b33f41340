"""One server and one sandbox for all tests of deployments, and workers for a file of them: each takes ten seconds."""

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.deployments.place import POOL, Place
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


@pytest.fixture(scope="module")
def worker(place: Place, reaper: ProcessReaper) -> Iterator[Program]:
    """A worker of the deployments' pool."""
    with start_worker(place.server, POOL, name="first", reaper=reaper) as program:
        yield program


@pytest.fixture
def attempts() -> Callable[[Path], dict[str, int]]:
    """Counts the attempts in a SQLite ledger by their state."""

    def count(ledger: Path) -> dict[str, int]:
        with sqlite3.connect(ledger) as connection:
            found = dict(connection.execute("select state, count(*) from call_attempts group by state").fetchall())
        connection.close()
        return found

    return count
