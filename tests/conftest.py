"""What every test stands on: an environment of its own, loopback only, and real servers, started when first asked for.

| fixture | gives |
| --- | --- |
| `prefect_server` | the suite's Prefect server; flows called in the test run against it |
| `start_prefect_server` | a further one, to be stopped or killed, or with the UI |
| `start_worker` | process workers for that server, or a further one |
| `start_sandbox` | sandboxes as processes, over TCP |
| `postgres_database` | a fresh database on the suite's PostgreSQL |
| `postgres_url` | that server's own database |

Servers that are slow to start are started once and shared: a test on them uses names of its own.
"""

import atexit
import contextlib
import os
import shutil
import signal
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from sandbox.loopback import forbid_other_hosts, guarded_environment
from tests.servers import prefect as prefect_programs
from tests.servers import sandbox as sandbox_programs
from tests.servers.environment import isolated_environment
from tests.servers.postgres import Postgres, PostgresUnavailable, run_postgres
from tests.servers.prefect import PrefectServer, api_url, run_prefect_server
from tests.servers.process_reaper import ProcessReaper
from tests.servers.program import Port, Program

# All this must stand before anything imports Prefect, which reads its settings once. The Prefect server is started only
# when a test asks for it, but its address is settled here, so that every thread and every process agrees on it.
SCRATCH = Path(tempfile.mkdtemp(prefix="hamsa-tests-"))
atexit.register(shutil.rmtree, SCRATCH, ignore_errors=True)  # registered first, so done last
PREFECT_HOME = SCRATCH / "prefect"
PREFECT_PORT = Port()
_environment = isolated_environment(os.environ, home=PREFECT_HOME, api_url=api_url(PREFECT_PORT.number))
os.environ.clear()
os.environ.update(guarded_environment(_environment))
forbid_other_hosts()

# A shell that runs the suite in the background has it ignore Ctrl-C, and all that it starts: some tests press it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

hypothesis.settings.register_profile("dev", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.register_profile("all", deadline=None, derandomize="CI" in os.environ, max_examples=120)
hypothesis.settings.register_profile("thorough", deadline=None, max_examples=2000)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if "CI" in os.environ else "dev"))

if hypothesis.settings().max_examples > 1000:
    os.environ.setdefault("PYTEST_TIMEOUT", "36000")  # a thousand worlds take an hour, and are no test that hangs

TOGETHER = ("tests/contact/", "tests/campaign/ledger/test_races", "tests/examples/test_demo.py", "tests/ui/")
"""Tests whose paths begin so share what is slow to start, as a deployment and its worker: one process runs them all."""

_why_no_postgres = pytest.StashKey[str]()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Tests are handed out one by one, those of `TOGETHER` as a whole. xdist's own groups fail with pytest 9.2."""
    from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]  # it ships no types

    all_variants = "not thorough" not in config.getoption("markexpr")

    class Scheduling(LoadScopeScheduling):  # type: ignore[misc]  # as above
        def _split_scope(self, nodeid: str) -> str:
            scope = next((path for path in TOGETHER if nodeid.startswith(path)), nodeid)
            if all_variants and scope == TOGETHER[0]:  # with all their variants they would be the longest part by far
                return f"{scope}: {'first' if nodeid < f'{scope}test_q' else 'second'} half"
            return scope

    return Scheduling(config, log)


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Overlook the one leak that is not ours, and no other."""
    # Prefect 3.9.1 asks its server for the default result storage with a client it never closes (prefect/results.py).
    leaked = rf"unclosed <socket\.socket .*raddr=\('127\.0\.0\.1', {PREFECT_PORT.number}\)>"
    config.addinivalue_line("filterwarnings", f"ignore:{leaked}:ResourceWarning")
    # A program that one test has killed may be collected, before it was reaped, while another test runs.
    config.addinivalue_line("filterwarnings", "ignore:subprocess .* is still running:ResourceWarning")
    # Hypothesis sees that `random` was used while it drew, but not by whom: Prefect's threads go on between tests.
    random_used = "ignore:Do not use the .random. module inside strategies"
    config.addinivalue_line("filterwarnings", f"{random_used}:hypothesis.errors.HypothesisDeprecationWarning")
    # pytest looks for leaks once more at its very end, outside of any test and of the line above.
    warnings.filterwarnings("ignore", leaked, ResourceWarning)


@pytest.fixture(scope="session")
def reaper() -> Iterator[ProcessReaper]:
    """What every program of the suite is tied to: nothing outlives the suite, however it ends."""
    reaper = ProcessReaper()
    reaper.folder(SCRATCH)
    yield reaper
    reaper.release()


@pytest.fixture(scope="session")
def postgres(reaper: ProcessReaper, pytestconfig: pytest.Config) -> Iterator[Postgres]:
    """The suite's PostgreSQL server. Where none can be run the test is skipped, loudly; in CI that is a failure."""
    try:
        with run_postgres(reaper) as server:
            yield server
    except PostgresUnavailable as why:
        pytestconfig.stash[_why_no_postgres] = str(why)
        if "CI" in os.environ:
            pytest.fail(str(why))
        pytest.skip(str(why))


@pytest.fixture
def postgres_url(postgres: Postgres) -> str:
    """The address of the PostgreSQL server's own database, `postgresql+asyncpg://…`. Leave nothing in it."""
    return postgres.url


@pytest.fixture
def postgres_database(postgres: Postgres) -> Iterator[str]:
    """The address of a fresh, empty PostgreSQL database, `postgresql+asyncpg://…`; it is dropped after the test."""
    with postgres.database() as url:
        yield url


@pytest.fixture(scope="session")
def _prefect_server(reaper: ProcessReaper, pytestconfig: pytest.Config) -> Iterator[PrefectServer]:
    with run_prefect_server(reaper, PREFECT_HOME, port=PREFECT_PORT, template=_template(pytestconfig)) as server:
        yield server
        _send_what_waits()


@pytest.fixture
def prefect_server(_prefect_server: PrefectServer) -> PrefectServer:
    """The suite's Prefect server. Whatever a test runs through Prefect runs against it, in this process and in others.

    `api_url`, `home` and `database` tell where things are, `environment` is for programs that a test starts itself.
    """
    assert _prefect_server.program.is_running, f"The Prefect server died:\n{_prefect_server.program.log_text()[-4000:]}"
    return _prefect_server


@pytest.fixture
def start_prefect_server(
    reaper: ProcessReaper, tmp_path: Path, pytestconfig: pytest.Config
) -> Iterator[Callable[..., PrefectServer]]:
    """Starts Prefect servers for one test alone.

    `server = start_prefect_server(ui=True)`; takes what `run_prefect_server` takes.
    Programs use it by `server.environment`; this process does not.
    """
    with contextlib.ExitStack() as stack:

        def start(home: Path = tmp_path / "prefect", **options: Any) -> PrefectServer:
            return stack.enter_context(run_prefect_server(reaper, home, template=_template(pytestconfig), **options))

        yield start


@pytest.fixture
def start_worker(reaper: ProcessReaper, request: pytest.FixtureRequest) -> Iterator[Callable[..., Program]]:
    """Starts workers and waits until they are online.

    `worker = start_worker("pool", name="first")`; takes what `tests.servers.prefect.start_worker` takes.
    The server is the suite's unless `server=` names another.
    """
    with contextlib.ExitStack() as stack:

        def start(pool: str, *, server: PrefectServer | None = None, **options: Any) -> Program:
            server = server or request.getfixturevalue("prefect_server")
            return stack.enter_context(prefect_programs.start_worker(server, pool, reaper=reaper, **options))

        yield start


@pytest.fixture
def start_sandbox(reaper: ProcessReaper, tmp_path: Path) -> Iterator[Callable[..., sandbox_programs.RunningSandbox]]:
    """Starts sandboxes and waits until they answer.

    `sandbox = start_sandbox(scenario={…}, speed=600)`; takes what `tests.servers.sandbox.start_sandbox`
    takes. It ends with the test.
    """
    with contextlib.ExitStack() as stack:

        def start(**options: Any) -> sandbox_programs.RunningSandbox:
            sandbox = sandbox_programs.start_sandbox(reaper, tmp_path, **options)
            stack.callback(sandbox.program.stop)
            return sandbox

        yield start


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say loudly that PostgreSQL was not tested, when it was not."""
    if why := config.stash.get(_why_no_postgres, None):
        terminalreporter.section("POSTGRESQL WAS NOT TESTED", sep="!", red=True, bold=True)
        terminalreporter.line(why)


def _send_what_waits() -> None:
    """Let Prefect's threads hand over the last logs and events, which they would else try to after the server's end."""
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker

    for worker in (APILogWorker, EventsWorker):
        sent = worker.drain_all(timeout=10, at_exit=False)
        assert isinstance(sent, tuple), "to be called where no event loop runs"


def _template(config: pytest.Config) -> Path:
    """Where an empty Prefect database is kept from one run of the suite to the next."""
    import prefect

    return config.cache.mkdir("prefect-database") / f"{prefect.__version__}.db"
