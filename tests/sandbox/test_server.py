"""The sandbox over TCP, in this process and as a program of its own."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox import ManualClock, Sandbox, preset
from sandbox.loopback import guarded_environment
from sandbox.server import open_socket, serving
from tests.sandbox.asking import ANN, PLACE, fictional, job, listed, order, place

PROJECT = Path(__file__).resolve().parents[2]
KEY = {"Authorization": "Token any"}


async def test_a_lost_answer_is_a_connection_that_closes_without_one(clock: ManualClock) -> None:
    sandbox = Sandbox(clock=clock)
    async with serving(sandbox) as url, httpx.AsyncClient(base_url=url, headers=KEY, trust_env=False) as http:
        for kind, rings in (("lost_answer", 1), ("lost_request", 1), ("no_connection", 1)):
            sandbox.fail_next(kind)
            with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
                await http.post(PLACE, json=order())
            assert sandbox.rings(ANN) == rings
        assert (await http.post(PLACE, json=order())).status_code == 200


async def test_a_closed_connection_has_not_carried_one_byte_of_an_answer(clock: ManualClock) -> None:
    sandbox = Sandbox(clock=clock)
    sandbox.fail_next("lost_answer")
    body = json.dumps(order()).encode()
    async with serving(sandbox) as url:
        reader, writer = await asyncio.open_connection("127.0.0.1", httpx.URL(url).port)
        writer.write(
            f"POST {PLACE} HTTP/1.1\r\nhost: sandbox\r\nauthorization: Token any\r\n"
            f"content-length: {len(body)}\r\n\r\n".encode()
            + body
        )
        try:
            said = await reader.read()
        except ConnectionError:
            said = b""
        writer.close()
    assert said == b""
    assert sandbox.rings(ANN) == 1


async def test_a_call_placed_for_a_client_that_hung_up_rings_all_the_same(clock: ManualClock) -> None:
    sandbox = Sandbox(clock=clock, scenario=preset("plain", slow_seconds=3600))
    sandbox.fail_next("slow")
    async with serving(sandbox) as url, httpx.AsyncClient(base_url=url, headers=KEY, trust_env=False) as http:
        with pytest.raises(httpx.ReadTimeout):
            await http.post(PLACE, json=order(), timeout=0.3)
        assert sandbox.rings(ANN) == 1
        assert (await listed(http))["filtered"] == 1


async def test_many_at_once_over_tcp_ring_once_each() -> None:
    sandbox = Sandbox(scenario=preset("instant", magic_numbers=False))
    async with serving(sandbox) as url, httpx.AsyncClient(base_url=url, headers=KEY, trust_env=False) as http:
        await asyncio.gather(*(place(http, fictional(ordinal)) for ordinal in range(200)))
    assert sandbox.stats()["rings_per_number"] == {fictional(ordinal): 1 for ordinal in range(200)}


async def test_webhooks_go_out_over_tcp() -> None:
    got = asyncio.Event()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        if json.loads(await reader.readexactly(length))["eventType"] == "call.ended":
            got.set()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    sandbox = Sandbox(scenario=preset("instant"))
    async with (
        await asyncio.start_server(take, "127.0.0.1", 0) as receiver,
        serving(sandbox) as url,
        httpx.AsyncClient(base_url=url, headers=KEY, trust_env=False) as http,
    ):
        await place(http, webhookUrl=f"http://127.0.0.1:{receiver.sockets[0].getsockname()[1]}/hook")
        await asyncio.wait_for(got.wait(), 10)


def test_it_listens_on_loopback_only() -> None:
    with pytest.raises(ValueError, match="for one machine"):
        open_socket("0.0.0.0")  # noqa: S104 - this is what is refused


@contextmanager
def program(*arguments: str) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """Run `python -m sandbox` and give the address that it prints."""
    running = subprocess.Popen(
        [sys.executable, "-m", "sandbox", "--port", "0", *arguments],
        cwd=PROJECT,
        env=guarded_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert running.stdout is not None
        line = running.stdout.readline()
        if not line:
            raise AssertionError(running.communicate(timeout=120)[1])
        yield line.split()[2], running
    finally:
        if running.poll() is None:
            running.kill()
        running.communicate(timeout=120)


@pytest.mark.processes
async def test_the_program_serves_until_it_is_interrupted(tmp_path: Path) -> None:
    (tmp_path / "scenario.json").write_text(json.dumps({"created_status": 201}))
    arguments = ["--seed", "3", "--speed", "600", "--lines", "7", "--api-key", "right"]
    with program(*arguments, "--scenario", str(tmp_path / "scenario.json")) as (url, running):
        key = {"Authorization": "Token right"}
        async with httpx.AsyncClient(base_url=url, headers=key, trust_env=False) as http:
            assert (await http.post(PLACE, json=order())).status_code == 201
            assert (await http.post(PLACE, json=order(), headers=KEY)).status_code == 401
            scenario = (await http.get("/_sandbox/scenario")).json()
            assert (scenario["speed"], scenario["lines"], scenario["created_status"]) == (600, 7, 201)
            assert (await http.post("/_sandbox/reset")).json()["seed"] == 3
        running.send_signal(signal.SIGINT)
        assert running.wait(timeout=120) == 0


@pytest.mark.processes
async def test_without_an_epoch_its_clock_is_the_machines_and_only_calls_are_fast() -> None:
    with program("--speed", "6000", "--scenario", "everyone_answers") as (url, _):
        async with httpx.AsyncClient(base_url=url, headers=KEY, trust_env=False) as http:
            made = await place(http)
            created = datetime.fromisoformat(made["createdAt"])
            assert abs(datetime.now(UTC) - created) < timedelta(seconds=10)
            deadline = time.monotonic() + 120
            while (await job(http, made["id"]))["status"] != "COMPLETED":
                assert time.monotonic() < deadline
                await asyncio.sleep(0.02)


@pytest.mark.processes
async def test_with_an_epoch_its_whole_clock_is_fast() -> None:
    epoch = datetime.now(UTC) - timedelta(hours=1)
    with program("--speed", "24", "--clock-epoch", epoch.isoformat()) as (url, _):
        async with httpx.AsyncClient(base_url=url, headers=KEY, trust_env=False) as http:
            created = datetime.fromisoformat((await place(http))["createdAt"])
    assert abs(created - (epoch + timedelta(days=1))) < timedelta(minutes=30)


@pytest.mark.processes
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--scenario", "nowhere.json"], "nowhere.json: cannot be read"),
        (["--speed", "0"], "speed"),
        (["--lines", "-1"], "lines"),
        (["--host", "192.0.2.1"], "--host"),
        (["--port", "70000"], "70000 is no port: give one from 0 to 65535."),
        (["--clock-epoch", "yesterday"], "--clock-epoch"),
    ],
)
def test_what_it_cannot_do_it_says_in_a_sentence(arguments: list[str], said: str) -> None:
    done = run_to_its_end(*arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.processes
def test_a_port_that_is_taken_is_named() -> None:
    with open_socket() as taken:
        port = str(taken.getsockname()[1])
        done = run_to_its_end("--port", port)
    assert done.returncode == 2
    assert done.stderr.startswith(f"sandbox: 127.0.0.1:{port} cannot be listened on: ")


def run_to_its_end(*arguments: str) -> Any:
    return subprocess.run(
        [sys.executable, "-m", "sandbox", "--port", "0", *arguments],
        cwd=PROJECT,
        env=guarded_environment(dict(os.environ)),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
