"""The sandbox over TCP, on loopback, where a lost answer is a connection that closes without one."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from sandbox.http import AnswerLost
from sandbox.in_process import Sandbox

logger = logging.getLogger(__name__)

LOOPBACK_ADDRESSES = ("127.0.0.1", "localhost", "::1")


class _OnePiece:
    """A transport that sends what is written in one turn of the event loop in one piece: half the system calls."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._pieces: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send `data`, together with what else is written before the loop turns."""
        if not self._pieces:
            self._loop.call_soon(self._flush)
        self._pieces.append(data)

    def close(self) -> None:
        """Close when everything is sent."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._pieces:
            self._transport.write(b"".join(self._pieces))
            self._pieces.clear()


class _Connections:
    """The open connections by the address of their client, so that one of them can be cut."""

    def __init__(self) -> None:
        self._open: dict[Any, asyncio.Transport] = {}

    def protocol(self) -> type[asyncio.Protocol]:
        """Return uvicorn's protocol, which reports here what it opens and closes."""
        opened = self._open

        class Reporting(H11Protocol):
            def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
                super().connection_made(cast(asyncio.Transport, _OnePiece(transport)))
                opened[self.client] = transport

            def connection_lost(self, exc: Exception | None) -> None:
                opened.pop(self.client, None)
                super().connection_lost(exc)

        return Reporting

    def cutting(self, app: ASGIApp) -> ASGIApp:
        """Return `app`, but where it loses an answer, the connection closes and nothing is sent."""

        async def cut_where_lost(scope: Scope, receive: Receive, send: Send) -> None:
            try:
                await app(scope, receive, send)
            except AnswerLost:
                transport = self._open.get(scope["client"])
                if transport is None:
                    return
                transport.abort()
                # Until the server has noticed: it would otherwise answer in the application's place.
                while (await receive())["type"] != "http.disconnect":
                    pass

        return cut_where_lost


def make_server(sandbox: Sandbox) -> uvicorn.Server:
    """Return a server for `sandbox`, which still needs a socket: `open_socket`."""
    connections = _Connections()
    config = uvicorn.Config(
        connections.cutting(sandbox.app),
        http=connections.protocol(),
        ws="none",
        lifespan="on",
        access_log=False,
        # Who starts the sandbox says how to log.
        log_config=None,
        date_header=False,
        server_header=False,
        # Longer than a client keeps an idle connection, so that no request meets one that is just closing.
        timeout_keep_alive=75,
        timeout_graceful_shutdown=1,
    )
    return uvicorn.Server(config)


def open_socket(host: str = "127.0.0.1", port: int = 0) -> socket.socket:
    """Return a listening socket on this machine's loopback.

    Args:
        host: One of `LOOPBACK_ADDRESSES`.
        port: Its port; 0 takes a free one.

    Raises:
        ValueError: The host is not loopback.
        OSError: The port is taken.
    """
    if host not in LOOPBACK_ADDRESSES:
        raise ValueError(
            f"host must be one of {', '.join(LOOPBACK_ADDRESSES)}, not {host}: a sandbox is for one machine."
        )
    family = socket.AF_INET6 if host == "::1" else socket.AF_INET
    # asyncio turns Nagle's algorithm off only where the protocol is named; left on, it costs 40 ms an answer.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1" if host == "localhost" else host, port))
        listening.listen(1024)
    except OSError:
        listening.close()
        raise
    return listening


def address(listening: socket.socket) -> str:
    """Return the base URL under which this socket is reached."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@asynccontextmanager
async def serving(sandbox: Sandbox, port: int = 0) -> AsyncIterator[str]:
    """Serve `sandbox` over TCP from this event loop, and give its base URL.

    Args:
        sandbox: What to serve.
        port: Its port on 127.0.0.1; 0 takes a free one.
    """
    listening = open_socket(port=port)
    server = make_server(sandbox)
    task = asyncio.ensure_future(server.serve(sockets=[listening]))
    try:
        while not server.started:
            if task.done():
                await task
            await asyncio.sleep(0.005)
        yield address(listening)
    finally:
        server.should_exit = True
        await task
        listening.close()
