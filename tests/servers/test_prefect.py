"""Flows under test run against a real server, and never against one that somebody works with."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable

import prefect
import pytest
from prefect import flow, task
from prefect.client.orchestration import get_client
from prefect.settings import get_current_settings

from tests.servers.environment import isolated_environment
from tests.servers.prefect import PrefectServer
from tests.servers.program import Program


def test_nothing_of_a_persons_own_set_up_reaches_a_test() -> None:
    theirs = {
        "PREFECT_API_URL": "http://prefect.example/api",
        "PREFECT_PROFILE": "work",
        "HAMSA_API_KEY": "theirs",
        "PATH": "/bin",
    }
    settings = get_current_settings()
    environment = isolated_environment(theirs, home=settings.home, api_url=None)
    assert environment["PATH"] == "/bin"
    assert not theirs.keys() & environment.keys() - {"PATH"}
    assert settings.server.analytics_enabled is False
    assert os.environ["DO_NOT_TRACK"] == "1"


def test_neither_a_test_nor_a_program_that_it_starts_reaches_another_host() -> None:
    # By its words: a worker of pytest-xdist had the guard before this suite was imported, with a class of its own.
    with pytest.raises(RuntimeError, match="may talk to its own machine only"):
        socket.create_connection(("192.0.2.1", 443), timeout=1)
    attempt = "import socket; socket.create_connection(('192.0.2.1', 443), timeout=1)"
    child = subprocess.run([sys.executable, "-c", attempt], capture_output=True, text=True, check=False)
    assert "ForeignHost" in child.stderr


@pytest.mark.prefect
async def test_a_flow_leaves_its_run_on_the_suites_server(prefect_server: PrefectServer) -> None:
    @task
    async def double(number: int) -> int:
        return 2 * number

    @flow
    async def doubled(number: int) -> int:
        return await double(number)

    assert await doubled(21) == 42
    async with get_client() as client:
        assert str(client.api_url).rstrip("/") == prefect_server.api_url
        runs = await client.read_flow_runs()
    assert any(run.state is not None and run.state.is_completed() for run in runs)


@pytest.mark.prefect
def test_a_sync_flow_runs_as_well(prefect_server: PrefectServer) -> None:
    @flow
    def greeting() -> str:
        return "hello"

    assert greeting() == "hello"


@pytest.mark.prefect
@pytest.mark.processes
def test_a_worker_comes_online_and_ends_when_asked(
    prefect_server: PrefectServer, start_worker: Callable[..., Program]
) -> None:
    worker = start_worker("a-pool", name="first")
    assert prefect_server.workers_online("a-pool") == {"first"}
    worker.stop()
    assert worker.process.returncode is not None


@pytest.mark.prefect
@pytest.mark.processes
@pytest.mark.thorough
def test_a_server_of_ones_own_may_be_killed(
    start_prefect_server: Callable[..., PrefectServer], prefect_server: PrefectServer
) -> None:
    own = start_prefect_server()
    assert own.answers()
    own.program.kill()
    assert not own.answers()
    assert prefect_server.answers()


def test_prefect_is_the_version_that_the_lock_names() -> None:
    assert prefect.__version__ == "3.9.1"
