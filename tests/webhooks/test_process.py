"""The receiver as a process: what it answered survives anything, and nobody makes others wait."""

import asyncio
import contextlib
import json
import os
import re
import socket
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from campaign.attempts import AttemptState
from campaign.ledger.ledger import Ledger
from tests.servers.http import LOOPBACK
from tests.servers.prefect import PrefectServer
from tests.servers.process_reaper import ProcessReaper
from tests.servers.program import PROJECT, Program
from tests.webhooks.in_process import an_event, claim
from tests.webhooks.running import HEADERS, SECRET, RunningReceiver

pytestmark = pytest.mark.processes

StartReceiver = Callable[..., RunningReceiver]


async def claims(ledger_url: str, count: int) -> list[str]:
    async with Ledger(ledger_url) as ledger:
        return [made.call_key for made in await asyncio.gather(*(claim(ledger, number) for number in range(count)))]


async def states(ledger_url: str) -> Counter[AttemptState]:
    async with Ledger(ledger_url) as ledger:
        return Counter(attempt.state for attempt in await ledger.attempts())


async def wait_until_recorded(receiver: RunningReceiver, *, within_seconds: float = 120.0) -> Any:
    deadline = time.monotonic() + within_seconds
    while (health := receiver.health())["waiting"]:
        assert time.monotonic() < deadline, health
        await asyncio.sleep(0.05)
    return health


def ends(keys: list[str], result: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    return [
        an_event("call.ended", f"job-{number}", result={"call_key": key, **(result or {})}, status="COMPLETED")
        for number, key in enumerate(keys)
    ]


async def test_a_kill_right_after_the_answer_loses_nothing(start_receiver: StartReceiver, ledger_url: str) -> None:
    keys = await claims(ledger_url, 40)
    events = ends(keys)
    receiver = start_receiver()
    for part in range(2):
        answers = receiver.post(*events[part * 20 : part * 20 + 20])
        receiver.program.kill()
        assert set(answers) == {200}
        receiver = start_receiver(port=receiver.port)
    await wait_until_recorded(receiver)
    assert await states(ledger_url) == {AttemptState.COMPLETED: 40}


async def test_it_takes_events_while_the_ledger_is_away_also_when_it_starts(
    start_receiver: StartReceiver, ledger_url: str, tmp_path: Path
) -> None:
    keys = await claims(ledger_url, 5)
    home, away = tmp_path / "calls.db", tmp_path / "away.db"
    with closing(sqlite3.connect(home)) as connection, connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    home.rename(away)
    home.mkdir()
    receiver = start_receiver()
    assert set(receiver.post(*ends(keys))) == {200}
    assert receiver.health()["waiting"] == 5
    home.rmdir()
    away.rename(home)
    await wait_until_recorded(receiver)
    assert await states(ledger_url) == {AttemptState.COMPLETED: 5}


def ask(receiver: RunningReceiver, head: dict[str, str], body: bytes, *, within_seconds: float = 120.0) -> bytes:
    """Send a request by hand and return all that comes back until the receiver closes the connection."""
    lines = ["POST /hamsa HTTP/1.1", "host: receiver", *(f"{name}: {value}" for name, value in head.items()), "", ""]
    with socket.create_connection(("127.0.0.1", receiver.port), timeout=within_seconds) as connection:
        connection.sendall("\r\n".join(lines).encode() + body)
        answer = b""
        while part := connection.recv(65536):
            answer += part
    return answer


def trickle(connection: socket.socket, *, within_seconds: float) -> None:
    """Send a byte now and then, until the receiver has enough of it."""
    began = time.monotonic()
    while time.monotonic() - began < within_seconds:
        connection.sendall(b"G")
        time.sleep(0.1)


def test_a_body_that_trickles_in_is_cut_off(start_receiver: StartReceiver) -> None:
    receiver = start_receiver(body_timeout_seconds=0.3)
    answer = ask(receiver, {**HEADERS, "content-length": "1000"}, b'{"event')
    assert answer.startswith(b"HTTP/1.1 408 ")
    # Many at once make nobody else wait: the last of them is still there when somebody else has the answer.
    slow = []
    for _ in range(100):
        connection = socket.create_connection(("127.0.0.1", receiver.port))
        connection.sendall(b"POST /hamsa HTTP/1.1\r\nhost: receiver\r\n")
        slow.append(connection)
    assert receiver.post(an_event("call.started", "job-1")) == [200]
    slow[-1].setblocking(False)
    with pytest.raises(BlockingIOError):
        slow[-1].recv(1)
    for connection in slow:
        connection.close()


def test_a_huge_body_is_refused_at_its_beginning(start_receiver: StartReceiver) -> None:
    receiver = start_receiver(max_body_bytes=2048)
    shown = ask(receiver, {**HEADERS, "content-length": "100000000000"}, b"")
    counted = ask(receiver, {**HEADERS, "transfer-encoding": "chunked"}, b"1000\r\n" + b"x" * 4096 + b"\r\n")
    assert [answer[:13] for answer in (shown, counted)] == [b"HTTP/1.1 413 "] * 2


def test_what_is_no_http_harms_nobody(start_receiver: StartReceiver) -> None:
    receiver = start_receiver()
    for garbage in (b"\x16\x03\x01\x02\x00\x01", b"GET\r\n\r\n", b"\x00" * 100_000, b"x" * 100_000):
        with socket.create_connection(("127.0.0.1", receiver.port), timeout=5) as connection:
            try:
                connection.sendall(garbage)
                connection.recv(65536)
            except OSError:
                pass
        assert receiver.post(an_event("call.started", "job-1")) == [200]


def test_a_connection_on_which_no_request_comes_is_closed(start_receiver: StartReceiver) -> None:
    receiver = start_receiver()
    with (
        socket.create_connection(("127.0.0.1", receiver.port), timeout=240) as silent,
        socket.create_connection(("127.0.0.1", receiver.port), timeout=240) as trickling,
        httpx.Client(**LOOPBACK, headers=HEADERS) as kept,
    ):
        assert kept.post(receiver.url, json=an_event("call.started", "job-1")).status_code == 200
        began = time.monotonic()
        trickling.sendall(b"GET /health HTTP/1.1\r\nhost: receiver\r\n\r\n")
        assert trickling.recv(65536).startswith(b"HTTP/1.1 200 ")
        with pytest.raises(ConnectionError):
            trickle(trickling, within_seconds=240)
        assert silent.recv(1) == b""
        assert time.monotonic() - began > 4
        # A proxy's connection, idle between two requests, is not.
        assert kept.post(receiver.url, json=an_event("call.started", "job-2")).status_code == 200


def test_connections_above_the_bound_are_asked_to_come_later(start_receiver: StartReceiver) -> None:
    receiver = start_receiver(max_connections=5)
    idle = [socket.create_connection(("127.0.0.1", receiver.port)) for _ in range(8)]
    for status in (503, 200):  # soon, as it takes the connections, and their ends, one by one
        deadline = time.monotonic() + 120
        while receiver.post(an_event("call.started", "job-1")) != [status]:
            assert time.monotonic() < deadline, f"it never answered {status}"
        for connection in idle:
            connection.close()


def test_hundreds_of_idle_strangers_keep_nobody_out(start_receiver: StartReceiver) -> None:
    receiver = start_receiver(max_connections=60, max_connections_per_address=60)
    strangers = []
    for _ in range(60):
        stranger = socket.create_connection(("127.0.0.1", receiver.port))
        stranger.sendall(b"GET /nothing HTTP/1.1\r\nhost: receiver\r\n\r\n")
        strangers.append(stranger)
    for stranger in strangers:
        stranger.settimeout(120)
        assert stranger.recv(100).startswith(b"HTTP/1.1 404")
        while stranger.recv(1000):  # to its end: the receiver closes
            pass
        stranger.close()
    assert receiver.post(an_event("call.started", "job-1")) == [200]


def test_one_address_cannot_take_all_connections(start_receiver: StartReceiver) -> None:
    receiver = start_receiver(max_connections=20, max_connections_per_address=5)
    idle = [socket.create_connection(("127.0.0.1", receiver.port), source_address=("127.0.0.2", 0)) for _ in range(5)]
    one_more = socket.create_connection(("127.0.0.1", receiver.port), source_address=("127.0.0.2", 0))
    one_more.settimeout(120)
    assert one_more.recv(100).startswith(b"HTTP/1.1 503")
    assert receiver.post(an_event("call.started", "job-1")) == [200]
    for connection in [*idle, one_more]:
        connection.close()


def test_whoever_reads_nothing_is_cut_off(start_receiver: StartReceiver) -> None:
    receiver = start_receiver()
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        deaf.connect(("127.0.0.1", receiver.port))
        deaf.settimeout(240)
        event = json.dumps(an_event("tool.executed", "job-1")).encode()
        head = "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items())
        head = f"POST /hamsa HTTP/1.1\r\nhost: receiver\r\n{head}content-length: {len(event)}\r\n\r\n"
        request = head.encode() + event
        with contextlib.suppress(ConnectionError):
            began = time.monotonic()
            while time.monotonic() - began < 240:  # until the receiver hangs up: its answers find no reader
                deaf.sendall(request * 100)
        assert time.monotonic() - began < 240
    assert receiver.post(an_event("call.started", "job-1")) == [200]


def test_what_the_how_to_tries_works_on_the_same_ledger_as_an_empty_block(
    reaper: ProcessReaper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = {
        **os.environ,
        "PREFECT_HOME": str(tmp_path),
        "HAMSA_WEBHOOK_WITHOUT_AUTH": "true",
        "HAMSA_WEBHOOK_EVENTS": "false",
        "HAMSA_WEBHOOK_PORT": "0",
    }
    command = [sys.executable, "-m", "webhooks"]
    with Program(command, log=tmp_path / "log", reaper=reaper, environment=environment) as program:
        program.wait_until(lambda: "they wait in" in program.log_text(), what="listened", within_seconds=240)
        found = re.search(r"(http://127\.0\.0\.1:\d+/hamsa); they wait in (\S+)\.\n", program.log_text())
        assert found is not None
        assert found[2] == str(tmp_path / "hamsa" / "webhooks.db")
        with httpx.Client(**LOOPBACK) as http:
            answer = http.post(found[1], json={"eventType": "call.started", "callId": "some-call"})
        assert answer.status_code == 200
    said = subprocess.run(
        [sys.executable, "-c", "from blocks import CallLedger; print(CallLedger().file())"],
        env=environment,
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(said.stdout.strip()).exists()


def test_it_shuts_down_in_order_when_it_is_asked_to(start_receiver: StartReceiver) -> None:
    receiver = start_receiver()
    assert receiver.post(an_event("call.started", "job-1")) == [200]
    receiver.program.stop()
    assert receiver.program.process.returncode == 0
    log = receiver.program.log_text()
    assert "Traceback" not in log
    assert SECRET not in log


@pytest.mark.prefect
async def test_each_event_is_emitted_once(
    start_receiver: StartReceiver, ledger_url: str, prefect_server: PrefectServer
) -> None:
    keys = await claims(ledger_url, 6)
    receiver = start_receiver(events=True, outcome_fields="promised_to_pay")
    events = ends(keys, {"promised_to_pay": True, "summary": "Ann will pay."})
    assert set(receiver.post(*events, *events)) == {200}
    health = await wait_until_recorded(receiver)
    assert health["duplicates"] == 6
    receiver.program.stop()  # hands over what Prefect was not told yet
    found: list[dict[str, Any]] = []
    deadline = time.monotonic() + 240
    async with httpx.AsyncClient(base_url=prefect_server.api_url, **LOOPBACK) as http:
        while len(found) < 6 and time.monotonic() < deadline:
            await asyncio.sleep(0.5)
            names = {"filter": {"event": {"name": ["hamsa.call.ended"]}}, "limit": 50}
            answer = (await http.post("/events/filter", json=names)).raise_for_status().json()
            found = [event for event in answer["events"] if event["payload"].get("call_key") in keys]
    assert Counter(event["payload"]["call_key"] for event in found) == dict.fromkeys(keys, 1)
    assert {str(event["payload"]["outcome"]) for event in found} == {"{'promised_to_pay': True}"}
    assert {event["resource"]["hamsa.call.status"] for event in found} == {"completed"}
    assert "442079460" not in str(found)


@pytest.mark.parametrize(
    ("variables", "why"),
    [
        ({}, "Set HAMSA_WEBHOOK_AUTH_SECRET"),
        pytest.param(
            {"WITHOUT_AUTH": "true", "HOST": "0.0.0.0"},  # noqa: S104
            "WITHOUT_AUTH is for this machine alone",
            marks=pytest.mark.thorough,
        ),
        ({"AUTH_SECRET": SECRET, "PORT": "{taken}", "EVENTS": "false"}, "cannot be listened on"),
        pytest.param(
            {"AUTH_SECRET": SECRET, "SPOOL_PATH": "/proc/nowhere/spool.db", "EVENTS": "false"},
            "The spool /proc/nowhere",
            marks=pytest.mark.thorough,
        ),
        pytest.param(
            {"AUTH_SECRET": SECRET, "EVENTS": "true"},
            "There is no Prefect server to emit events to",
            marks=pytest.mark.thorough,
        ),
    ],
)
def test_it_does_not_start_without_what_it_needs_and_says_so_in_a_sentence(
    variables: dict[str, str], why: str, tmp_path: Path
) -> None:
    taken = socket.create_server(("127.0.0.1", 0))
    port = taken.getsockname()[1]
    given = {f"HAMSA_WEBHOOK_{name}": value.format(taken=port) for name, value in variables.items()}
    environment = {name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"}
    ended = subprocess.run(
        [sys.executable, "-m", "webhooks"],
        env={"HAMSA_WEBHOOK_LEDGER_URL": f"sqlite:///{tmp_path / 'calls.db'}", **environment, **given},
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    taken.close()
    assert ended.returncode == 2
    assert why in ended.stderr
    assert "Traceback" not in ended.stderr
    assert SECRET not in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1


def test_help_names_every_setting(tmp_path: Path) -> None:
    said = subprocess.run(
        [sys.executable, "-m", "webhooks", "--help"], cwd=PROJECT, capture_output=True, text=True, check=True
    ).stdout
    from webhooks.settings import WebhookSettings

    for name in WebhookSettings.model_fields:
        assert f"HAMSA_WEBHOOK_{name.upper()}\n" in said
