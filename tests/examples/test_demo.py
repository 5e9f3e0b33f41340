"""`make demo`, run for real: it calls everybody once, tells the truth, shows no secret, and leaves nothing running."""

import contextlib
import json
import os
import re
import signal
import socket
import sqlite3
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from campaign.intake.numbers import ParsedNumber, parse_number
from examples.demo.run import API_KEY
from examples.receivables import CUSTOMERS
from sandbox import PLANTED_SECRETS
from tests.servers.process_reaper import ProcessReaper
from tests.servers.program import Program

pytestmark = [pytest.mark.processes]

SECONDS = 400
"""Longest run of a demo that a busy machine is given; on a machine with two cores to itself it takes thirty."""


@dataclass
class Demo:
    """A folder in which the demo runs."""

    folder: Path
    reaper: ProcessReaper
    runs: int = 0

    def start(self, *arguments: str) -> Program:
        """Start it, as `make demo` does."""
        self.runs += 1
        log = self.folder.with_name(f"{self.folder.name}-{self.runs}.out")
        command = [sys.executable, "-m", "examples.demo", "--folder", str(self.folder), *arguments]
        # Settings of the person who starts it, which must not count.
        theirs = {
            "PREFECT_API_URL": "http://127.0.0.1:9/api",
            "PREFECT_PROFILE": "work",
            "HTTPS_PROXY": "http://127.0.0.1:9",
        }
        return Program(
            command,
            log=log,
            reaper=self.reaper,
            environment={**os.environ, **theirs, "HAMSA_API_KEY": "theirs"},
        )

    def run(self, *arguments: str) -> str:
        """Run it to its end and return what it showed."""
        with self.start(*arguments) as program:
            status = program.process.wait(timeout=SECONDS)
            shown = program.log_text()
        assert status == 0, shown
        return shown

    @property
    def report(self) -> dict[str, Any]:
        """The report of the last run."""
        report: dict[str, Any] = json.loads((self.folder / "run.json").read_text(encoding="utf-8"))["report"]
        return report

    def attempts(self) -> list[tuple[str, str]]:
        """Recipient and state of every attempt in the ledger."""
        with contextlib.suppress(sqlite3.Error), contextlib.closing(connected(self.folder / "calls.db")) as ledger:
            return list(ledger.execute("SELECT recipient_id, state FROM call_attempts"))
        return []

    def processes(self) -> list[psutil.Process]:
        """What runs on behalf of this folder."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if str(self.folder) in f"{process.cmdline()} {process.environ().get('PREFECT_HOME')}":
                    found.append(process)
        return found

    def wait_until_nothing_runs(self) -> None:
        _, alive = psutil.wait_procs(self.processes(), timeout=120)
        assert not alive


@pytest.fixture(scope="module")
def demo(reaper: ProcessReaper, tmp_path_factory: pytest.TempPathFactory) -> Demo:
    return Demo(tmp_path_factory.mktemp("demo") / "demo", reaper)


@pytest.fixture(scope="module")
def first(demo: Demo) -> tuple[str, dict[str, Any]]:
    """What the first run showed, and its report."""
    shown = demo.run("--port", str(free_port()))
    return shown, demo.report


@pytest.fixture(scope="module")
def second(demo: Demo, first: object) -> tuple[str, dict[str, Any]]:
    """What the run after it showed, and its report."""
    return demo.run(), demo.report


def test_the_first_run_calls_everybody_who_can_be_called_once(first: tuple[str, dict[str, Any]], demo: Demo) -> None:
    shown, report = first
    assert report["rows_read"] == 43 == sum(report["buckets"].values())
    assert report["calls"] == 28
    assert "28 of 43 customers called" in shown
    # Asked of the sandbox, which knows of every ring.
    assert "The sandbox counts 28 rings, one for each: nobody's phone rang twice." in shown
    for words in ("not a phone number", "on the do-not-call list", "calls.db", "make ui", "cost"):
        assert words in shown


def test_the_second_run_calls_nobody_and_says_so(second: tuple[str, dict[str, Any]]) -> None:
    shown, report = second
    assert report["rows_read"] == 43 == sum(report["buckets"].values())
    assert report["calls"] == 0
    assert "Nobody was called again" in shown
    assert "counts no ring in this run" in shown


def test_each_of_them_has_one_attempt_in_the_ledger(second: object, demo: Demo) -> None:
    recipients = [recipient for recipient, _ in demo.attempts()]
    assert len(recipients) == 28 == len(set(recipients))


def test_no_secret_and_no_number_shows_in_logs_or_in_what_prefect_keeps(
    first: tuple[str, dict[str, Any]], second: tuple[str, dict[str, Any]], demo: Demo
) -> None:
    logs = [file for file in demo.folder.rglob("*") if file.suffix in (".log", ".json", ".toml")]
    assert {"demo.log", "prefect-server.log"} <= {file.name for file in logs}
    texts = {file.name: file.read_text(encoding="utf-8") for file in logs}
    texts |= {"first screen": first[0], "second screen": second[0]}
    texts |= {f"Prefect's {table}": text for table, text in tables(demo.folder / "prefect" / "prefect.db")}
    # There is something to find: masked numbers in the records and in the log.
    assert "•••••0101" in texts["Prefect's artifact"]
    assert "•••••0192" in texts["demo.log"]
    forbidden = {API_KEY, *PLANTED_SECRETS, *unmasked()}
    shows = {(name, what) for name, text in texts.items() for what in forbidden if what in text}
    assert not shows
    # The bytes too: what was deleted or lies in an index is in the file as well.
    for file in demo.folder.rglob("*"):
        if file.is_file() and not file.name.startswith(("calls.db", "receivables")):
            content = file.read_bytes()
            assert not [what for what in forbidden if what.encode() in content], file
    for secret in (API_KEY, *PLANTED_SECRETS):
        assert secret.encode() not in (demo.folder / "calls.db").read_bytes()


def test_nothing_is_left_running(second: object, demo: Demo) -> None:
    demo.wait_until_nothing_runs()


def test_the_ui_shows_the_run_and_ends_with_ctrl_c(second: object, demo: Demo) -> None:
    with demo.start("ui", "--port", str(free_port())) as ui:
        ui.wait_until(lambda: "the blocks" in ui.log_text(), what="told its addresses", within_seconds=SECONDS)
        shown = ui.log_text()
        runs = re.findall(r"(http://127\.0\.0\.1:\d+)/runs/flow-run/(\S+)", shown)
        artifacts = re.findall(r"/artifacts/artifact/(\S+)", shown)
        assert (len(runs), len(artifacts)) == (2, 4), shown
        base, last = runs[0]
        page = httpx.get(f"{base}/runs/flow-run/{last}", headers={"Accept": "text/html"}, trust_env=False)
        assert "<html" in page.text
        assert httpx.get(f"{base}/ui-settings", trust_env=False).json()["api_url"] == f"{base}/api"
        reported = [
            httpx.get(f"{base}/api/flow_runs/{run}", trust_env=False).json()["state"]["message"] for _, run in runs
        ]
        assert "Nobody was called again" in reported[0]
        assert "28 of 43 customers called" in reported[1]
        owners = [httpx.get(f"{base}/api/artifacts/{artifact}", trust_env=False).json() for artifact in artifacts]
        assert [owner["flow_run_id"] for owner in owners] == [run for _, run in runs for _ in range(2)]
        ui.process.send_signal(signal.SIGINT)
        assert ui.process.wait(timeout=120) == 0
    demo.wait_until_nothing_runs()


@pytest.mark.thorough
def test_a_demo_that_was_killed_takes_all_along_and_the_next_goes_on(reaper: ProcessReaper, tmp_path: Path) -> None:
    demo = Demo(tmp_path / "demo", reaper)
    with demo.start() as killed:
        killed.wait_until(lambda: len(demo.attempts()) >= 6, what="called somebody", within_seconds=SECONDS)
        # The demo alone: what it started has to notice by itself.
        os.kill(killed.pid, signal.SIGKILL)
        killed.process.wait()
    called = {recipient for recipient, _ in demo.attempts()}
    shown = demo.run()
    assert "nobody's phone rang twice" in shown
    assert sum(demo.report["buckets"].values()) == 43
    recipients = [recipient for recipient, _ in demo.attempts()]
    assert len(recipients) == 28 == len(set(recipients))
    assert demo.report["calls"] <= 28 - len(called)
    demo.wait_until_nothing_runs()


@pytest.mark.thorough
@pytest.mark.parametrize(("sent", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_demo_that_is_stopped_ends_all_that_it_started(
    sent: signal.Signals, status: int, reaper: ProcessReaper, tmp_path: Path
) -> None:
    demo = Demo(tmp_path / "demo", reaper)
    with demo.start() as program:
        program.wait_until(lambda: len(demo.processes()) >= 2, what="started its programs")
        program.process.send_signal(sent)
        assert program.process.wait(timeout=120) == status
        assert "Traceback" not in program.log_text()
    demo.wait_until_nothing_runs()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("ui",), "type `make demo` first"),
        (("--port", "{taken}"), "is taken: name another one"),
        (("--folder", "/dev/null/demo"), "cannot be made"),
        (("--port", "99999"), "99999 is no port"),
    ],
)
def test_a_mistake_is_described_in_a_sentence(
    arguments: tuple[str, ...], says: str, reaper: ProcessReaper, tmp_path: Path, taken_port: int
) -> None:
    demo = Demo(tmp_path / "demo", reaper)
    with demo.start(*(argument.format(taken=taken_port) for argument in arguments)) as program:
        assert program.process.wait(timeout=240) in (1, 2)
        shown = program.log_text()
    assert says in shown
    assert "Traceback" not in shown


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield taken.getsockname()[1]


def free_port() -> int:
    """A port that nobody keeps: the demo takes it by itself, and refuses one that somebody has."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def connected(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)


def tables(database: Path) -> Iterator[tuple[str, str]]:
    """Each table's name and all that is in it, as text."""
    with contextlib.closing(connected(database)) as connection:
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            rows = connection.execute(f'SELECT * FROM "{name}"').fetchall()  # noqa: S608 - names of Prefect's own
            text = "\n".join(" | ".join(str(cell) for cell in row) for row in rows)
            # JSON, and JSON within JSON, may write what is not ASCII as escapes.
            yield name, re.sub(r"\\+u([0-9a-f]{4})", lambda found: chr(int(found[1], 16)), text)


def unmasked() -> set[str]:
    """Every number of the receivables as it is written there, as E.164, and without its country code."""
    numbers = set()
    for customer in CUSTOMERS:
        written = customer.phone or ""
        if sum(character.isdecimal() for character in written) >= 7:
            numbers.add(written.strip())
        parsed = parse_number(customer.phone, customer.region or "US")
        if isinstance(parsed, ParsedNumber):
            numbers |= {parsed.e164.removeprefix("+"), re.sub(r"^\+(1|44|61)", "", parsed.e164)}
    return numbers
