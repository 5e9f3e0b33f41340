"""Stand-ins for Hamsa that speak real HTTP: an ASGI app in process, and a bare TCP server for what HTTP cannot say."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from hamsa import HamsaClient

API_KEY = "hk-live-7f3a9c-not-a-real-key"

Answer = Response | Callable[[Request], Response]


@dataclass
class Received:
    """One request as it arrived."""

    method: str
    path: str
    query: list[tuple[str, str]]
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]


@dataclass
class StandIn:
    """Answers every request with `answer`, or with a job record that has an id, and remembers what it was asked."""

    answer: Answer = field(default_factory=lambda: JSONResponse({"data": {"id": "job-1"}}))
    requests: list[Received] = field(default_factory=list)

    @property
    def app(self) -> Starlette:
        async def endpoint(request: Request) -> Response:
            self.requests.append(
                Received(
                    request.method,
                    request.scope["raw_path"].decode(),
                    request.query_params.multi_items(),
                    request.headers.items(),
                    await request.body(),
                )
            )
            return self.answer if isinstance(self.answer, Response) else self.answer(request)

        return Starlette(routes=[Route("/{path:path}", endpoint, methods=["GET", "POST"])])

    def client(self, **kwargs: Any) -> HamsaClient:
        return HamsaClient(API_KEY, transport=httpx.ASGITransport(app=self.app), **kwargs)


@pytest.fixture
def stand_in() -> StandIn:
    return StandIn()


@pytest.fixture
async def client(stand_in: StandIn) -> AsyncIterator[HamsaClient]:
    async with stand_in.client() as client:
        yield client


Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Serve = Callable[[Talk], AbstractAsyncContextManager[str]]


@pytest.fixture
def serve() -> Serve:
    """Gives a server on loopback TCP, whose `talk` is handed each connection.

    `async with serve(talk) as base_url`.
    """

    @asynccontextmanager
    async def _serve(talk: Talk) -> AsyncIterator[str]:
        talking: set[asyncio.Task[None]] = set()

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await talk(reader, writer)
            except (ConnectionError, asyncio.IncompleteReadError):
                pass
            finally:
                writer.close()

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.create_task(connected(reader, writer))
            talking.add(task)
            task.add_done_callback(talking.discard)

        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        try:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        finally:
            server.close()
            for task in tuple(talking):
                task.cancel()
            await asyncio.gather(*talking, return_exceptions=True)

    return _serve


async def read_request(reader: asyncio.StreamReader) -> bytes:
    """Read one request from a connection: head and body."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return head + (await reader.readexactly(int(length[0])) if length else b"")


def http_answer(body: bytes, status: str = "200 OK") -> bytes:
    """Write one HTTP answer as it goes over the wire."""
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.upper().startswith("HAMSA_") or name.upper().endswith("_PROXY"):
            monkeypatch.delenv(name)
