"""The client over real sockets: resets, silence, dribbling, full pools, proxies, many lines."""

import asyncio
import contextlib
import functools
import gzip
import socket
import tracemalloc
import zlib
from collections.abc import Callable
from typing import Any

import psutil
import pytest
from pydantic import SecretStr

from blocks import HamsaCredentials
from hamsa import CallRequest, HamsaClient, NotPlaced, Timeouts, Unavailable, Uncertain
from tests.hamsa.conftest import API_KEY, Serve, http_answer, read_request

CALL = CallRequest(to_number="+12125550123", voice_agent_id="agent-1")
PLACED = http_answer(b'{"data": {"id": "job-1"}}', "201 Created")

Reader = asyncio.StreamReader
Writer = asyncio.StreamWriter


async def answer_all(reader: Reader, writer: Writer) -> None:
    while True:
        await read_request(reader)
        writer.write(PLACED)


async def never_answer(reader: Reader, writer: Writer) -> None:
    await read_request(reader)
    await reader.read()


async def test_a_call_is_placed_over_a_connection_that_is_kept(serve: Serve) -> None:
    connections = 0

    async def talk(reader: Reader, writer: Writer) -> None:
        nonlocal connections
        connections += 1
        await answer_all(reader, writer)

    async with serve(talk) as url, HamsaClient(API_KEY, base_url=url) as client:
        for _ in range(3):
            assert (await client.create_call(CALL)).id == "job-1"
    assert connections == 1


async def test_when_nobody_listens_nothing_was_placed() -> None:
    with socket.socket() as taken:  # bound and not listening: refuses, and nobody else gets the port meanwhile
        taken.bind(("127.0.0.1", 0))
        async with HamsaClient(API_KEY, base_url=f"http://127.0.0.1:{taken.getsockname()[1]}") as client:
            with pytest.raises(NotPlaced, match="ConnectError"):
                await client.create_call(CALL)
            with pytest.raises(Unavailable, match="ConnectError"):
                await client.get_project()


async def hang_up(reader: Reader, writer: Writer) -> None:
    await read_request(reader)


async def reset(reader: Reader, writer: Writer) -> None:
    await read_request(reader)
    writer.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    writer.transport.abort()


async def break_off(reader: Reader, writer: Writer) -> None:
    await read_request(reader)
    writer.write(PLACED[:-5])


async def talk_nonsense(reader: Reader, writer: Writer) -> None:
    await read_request(reader)
    writer.write(b"220 smtp.example.com ready\r\n")


@pytest.mark.parametrize("talk", [hang_up, reset, break_off, talk_nonsense])
async def test_a_call_whose_answer_was_lost_is_uncertain_and_not_asked_for_again(serve: Serve, talk: Any) -> None:
    requests = 0

    async def counted(reader: Reader, writer: Writer) -> None:
        nonlocal requests
        requests += 1
        await talk(reader, writer)

    async with serve(counted) as url, HamsaClient(API_KEY, base_url=url) as client:
        with pytest.raises(Uncertain, match="may have been placed"):
            await client.create_call(CALL)
        assert requests == 1
        with pytest.raises(Unavailable):
            await client.get_project()


async def test_silence_leaves_a_call_uncertain(serve: Serve) -> None:
    timeouts = Timeouts(read_seconds=0.1)
    async with serve(never_answer) as url, HamsaClient(API_KEY, base_url=url, timeouts=timeouts) as client:
        with pytest.raises(Uncertain, match="ReadTimeout"):
            await client.create_call(CALL)


async def test_an_answer_that_dribbles_in_cannot_outlive_the_deadline(serve: Serve) -> None:
    async def dribble(reader: Reader, writer: Writer) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 201 Created\r\nContent-Length: 100000\r\n\r\n")
        while not writer.is_closing():
            writer.write(b" ")
            await asyncio.sleep(0.01)

    async with serve(dribble) as url, HamsaClient(API_KEY, base_url=url) as client:
        client.request_deadline_seconds = 0.2
        async with asyncio.timeout(5):
            with pytest.raises(Uncertain, match="TimeoutError"):
                await client.create_call(CALL)
            with pytest.raises(Unavailable, match="TimeoutError"):
                await client.get_project()


async def test_a_wait_for_a_free_connection_that_runs_out_places_nothing(serve: Serve) -> None:
    async with serve(never_answer) as url:
        timeouts = Timeouts(pool_seconds=0.1)
        async with HamsaClient(API_KEY, base_url=url, timeouts=timeouts, max_connections=1) as client:
            first = asyncio.create_task(client.create_call(CALL))
            await asyncio.sleep(0)
            with pytest.raises(NotPlaced, match="PoolTimeout"):
                await client.create_call(CALL)
            first.cancel()
            with pytest.raises(asyncio.CancelledError):
                await first


async def test_a_cancelled_call_leaves_its_connection_slot_to_the_next(serve: Serve) -> None:
    asked = asyncio.Event()

    async def silent_at_first(reader: Reader, writer: Writer) -> None:
        await read_request(reader)
        if not asked.is_set():
            asked.set()
            await reader.read()
        else:
            writer.write(PLACED)

    async with serve(silent_at_first) as url, HamsaClient(API_KEY, base_url=url, max_connections=1) as client:
        task = asyncio.create_task(client.create_call(CALL))
        await asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await client.create_call(CALL)).id == "job-1"


async def test_an_external_cancel_is_not_taken_for_a_timeout(serve: Serve) -> None:
    async with serve(never_answer) as url, HamsaClient(API_KEY, base_url=url) as client:
        with pytest.raises(TimeoutError):  # the caller's own, and no HamsaError
            async with asyncio.timeout(0.1):
                await client.create_call(CALL)


async def test_connections_stay_within_the_bound_and_all_of_them_are_used(serve: Serve) -> None:
    busy = most = 0
    full = asyncio.Event()

    async def slow(reader: Reader, writer: Writer) -> None:
        nonlocal busy, most
        while True:
            await read_request(reader)
            busy += 1
            most = max(most, busy)
            if busy == 21:
                full.set()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(full.wait(), 10)
            busy -= 1
            writer.write(PLACED)

    async with serve(slow) as url, HamsaClient(API_KEY, base_url=url, max_connections=21) as client:
        records = await asyncio.gather(*(client.create_call(CALL) for _ in range(60)))
    assert len(records) == 60
    assert most == 21


async def test_an_answer_with_a_broken_encoding_frees_its_connection(serve: Serve) -> None:
    async def broken(reader: Reader, writer: Writer) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 9\r\n\r\nnot gzip!")
        await reader.read()

    async with serve(broken) as url, HamsaClient(API_KEY, base_url=url, max_connections=1) as client:
        for _ in range(3):
            with pytest.raises(Uncertain, match="DecodingError"):
                await client.create_call(CALL)


async def test_a_proxy_that_refuses_places_nothing_and_never_sees_the_key(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    async def refuse(reader: Reader, writer: Writer) -> None:
        seen.append(await read_request(reader))
        writer.write(http_answer(b"", "407 Proxy Authentication Required"))

    async with serve(refuse) as url:
        monkeypatch.setenv("HTTPS_PROXY", url)
        async with HamsaClient(API_KEY, base_url="https://api.example.com") as client:
            with pytest.raises(NotPlaced, match="ProxyError"):
                await client.create_call(CALL)
    [request] = seen
    assert request.startswith(b"CONNECT api.example.com:443 ")
    assert API_KEY.encode() not in request


async def test_a_proxy_is_not_asked_on_the_way_to_this_machine(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    async with serve(answer_all) as url, HamsaClient(API_KEY, base_url=url) as client:
        assert (await client.create_call(CALL)).id == "job-1"


@pytest.mark.parametrize("bound", [1, 3, 20])
async def test_never_more_connections_than_the_bound_and_no_more_than_are_needed(serve: Serve, bound: int) -> None:
    opened = busy = most = needed = 0
    full = asyncio.Event()

    async def talk(reader: Reader, writer: Writer) -> None:
        nonlocal opened, busy, most
        opened += 1
        while True:
            await read_request(reader)
            busy += 1
            most = max(most, busy)
            if busy >= needed:
                full.set()
            await full.wait()
            busy -= 1
            writer.write(PLACED)

    async with serve(talk) as url, HamsaClient(API_KEY, base_url=url, max_connections=bound, max_idle=bound) as client:
        await client.create_call(CALL)
        await client.create_call(CALL)
        assert opened == 1, "a connection that is idle is used again"
        needed = bound
        full.clear()
        async with asyncio.timeout(30):
            placed = await asyncio.gather(*(client.create_call(CALL) for _ in range(2 * bound)))
    assert len(placed) == 2 * bound
    assert most == opened == bound


async def test_without_tls_on_the_other_side_nothing_was_placed(serve: Serve) -> None:
    async def talk(reader: Reader, writer: Writer) -> None:
        await reader.read(10)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with serve(talk) as url, HamsaClient(API_KEY, base_url=url.replace("http://", "https://")) as client:
        with pytest.raises(NotPlaced):
            await client.create_call(CALL)


@pytest.mark.parametrize(("lines", "idle"), [(1, 4), (249, 4), (1500, 30)])
async def test_after_a_burst_few_connections_are_kept_and_no_dead_one(serve: Serve, lines: int, idle: int) -> None:
    burst, asked, closed = 100, 0, 0
    all_asked, leave, all_closed = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def talk(reader: Reader, writer: Writer) -> None:
        nonlocal asked, closed
        await read_request(reader)
        asked += 1
        if asked > burst:
            writer.write(PLACED)
            await reader.read()
        if asked == burst:
            all_asked.set()
        await all_asked.wait()
        writer.write(PLACED)
        await writer.drain()
        await leave.wait()  # as servers do that drop who has been idle
        writer.close()
        closed += 1
        if closed == burst:
            all_closed.set()

    async with (
        asyncio.timeout(60),
        serve(talk) as url,
        HamsaCredentials(api_key=SecretStr(API_KEY), base_url=url).get_client(lines=lines) as client,
    ):
        await asyncio.gather(*(client.create_call(CALL) for _ in range(burst)))
        # More than these are not kept at all.
        assert len(sockets(url, psutil.CONN_ESTABLISHED)) == idle
        leave.set()
        await all_closed.wait()
        await client.get_project()
        assert sockets(url, psutil.CONN_CLOSE_WAIT) == []


def sockets(url: str, status: str | None = None) -> list[Any]:
    """This process's connections to a server."""
    port = int(url.rpartition(":")[2])
    mine = psutil.Process().net_connections("tcp")
    return [each for each in mine if each.raddr and each.raddr.port == port and status in (None, each.status)]


# ------------------------------------------------------------------------------------------- bodies that are too large


def packed(body: bytes, encoding: str) -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {encoding}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


@functools.cache
def blanks(compressor: Callable[[bytes], bytes]) -> bytes:
    """300 MB of nothing, packed: made when asked for, since every process that collects the tests imports this file."""
    return compressor(b" " * 300_000_000)


TOO_LARGE: dict[str, Callable[[], bytes]] = {
    "gzip bomb": lambda: packed(blanks(gzip.compress), "gzip"),
    "deflate bomb": lambda: packed(blanks(zlib.compress), "deflate"),
    "bomb in a bomb": lambda: packed(gzip.compress(blanks(gzip.compress)), "gzip, gzip"),
    "other packing": lambda: packed(b"\x28\xb5\x2f\xfd", "zstd"),
    "cut off": lambda: packed(gzip.compress(b'{"data": {"id": "job-1"}}')[:-9], "gzip"),
    "plain": lambda: http_answer(b" " * (16 * 1024 * 1024 + 1)),
}


@pytest.mark.parametrize("make", TOO_LARGE.values(), ids=TOO_LARGE)
async def test_an_answer_that_is_too_large_is_no_answer_and_takes_no_memory(
    serve: Serve, make: Callable[[], bytes]
) -> None:
    answer = make()

    async def talk(reader: Reader, writer: Writer) -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                await read_request(reader)
                writer.write(answer)
                await writer.drain()

    async with serve(talk) as url, HamsaClient(API_KEY, base_url=url) as client:
        tracemalloc.start()
        with pytest.raises(Uncertain, match="DecodingError"):
            await client.create_call(CALL)
        with pytest.raises(Unavailable, match="DecodingError"):
            await client.get_project()
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert most < 64 * 1024 * 1024


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "x-gzip", "GZIP"])
async def test_a_packed_answer_is_unpacked(serve: Serve, encoding: str) -> None:
    body = b'{"data": {"id": "job-1", "title": "' + b"x" * 100_000 + b'"}}'
    small = gzip.compress(body) if "gzip" in encoding.lower() else zlib.compress(body)

    async def talk(reader: Reader, writer: Writer) -> None:
        await read_request(reader)
        writer.write(packed(small, encoding))
        await reader.read()

    async with serve(talk) as url, HamsaClient(API_KEY, base_url=url) as client:
        assert (await client.create_call(CALL)).id == "job-1"
