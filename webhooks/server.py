"""The receiver over TCP: uvicorn, with bounds on what strangers can hold on to.

Promises that a connection on which no request comes is closed after a few seconds, that only who delivers events may
keep one between two requests, that nobody holds one by not reading, that the size of headers is bounded, and that a
signal ends the serving alone, so that what is under way can be put in order.
"""

import asyncio
import contextlib
import signal
import socket
from collections import Counter
from collections.abc import Iterator
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import ClassVar

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

HEADER_SECONDS = 5.0
"""How long the headers of a request may take, from its first byte, or on a new connection from its beginning."""

IDLE_SECONDS = 75
"""How long a connection is kept after an answer: longer than proxies keep theirs, so that none ends under a request."""

WRITE_SECONDS = 5.0
"""How long somebody may take to read what was written to them."""

TOO_MANY = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 10\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
"""What an address with too many connections gets to read."""

GRACE_SECONDS = 5
"""How long answers under way may take when the receiver is told to close."""


class PromptProtocol(H11Protocol):
    """Closes connections whose requests do not come, whose peers do not read, or of which an address has too many."""

    open_by_address: ClassVar[Counter[str]] = Counter()
    most_of_an_address: ClassVar[int] = 0

    _timer: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None
    _address: str | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Expect a request soon."""
        super().connection_made(transport)
        self._address = _network_of(transport.get_extra_info("peername"))
        self.open_by_address[self._address] += 1
        if self.open_by_address[self._address] > self.most_of_an_address:
            transport.write(TOO_MANY)
            self._leave()
            return
        self._timer = self.loop.call_later(HEADER_SECONDS, self._leave)

    def data_received(self, data: bytes) -> None:
        """Take a part of a request; its headers have to be whole soon after its first part."""
        if self.transport.is_closing():
            return
        super().data_received(data)
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is not None and not cycle.response_complete:
            self._cancel_timer()
        elif self._timer is None:
            self._timer = self.loop.call_later(HEADER_SECONDS, self._leave)

    def pause_writing(self) -> None:
        """Nobody reads what is written: not for long."""
        super().pause_writing()
        self._unread = self.loop.call_later(WRITE_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """Somebody reads again."""
        super().resume_writing()
        self._cancel_unread()

    def connection_lost(self, exc: Exception | None) -> None:
        """Expect nothing more."""
        self._cancel_timer()
        self._cancel_unread()
        if self._address is not None:
            self.open_by_address[self._address] -= 1
            if not self.open_by_address[self._address]:
                del self.open_by_address[self._address]
        super().connection_lost(exc)

    def _leave(self) -> None:
        """Close; what was written and is not read soon is given up."""
        self.transport.close()
        self._unread = self._unread or self.loop.call_later(WRITE_SECONDS, self.transport.abort)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _cancel_unread(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None


def _network_of(peer: object) -> str:
    """What connections of one sender have in common: an IPv4 address, or the first half of an IPv6 one."""
    try:
        address = ip_address(str(peer[0]) if isinstance(peer, tuple) else "")
    except ValueError:
        return "unknown"
    if isinstance(address, IPv6Address):
        mapped = address.ipv4_mapped
        return str(mapped or IPv6Network((address, 64), strict=False))
    return str(address)


class Server(uvicorn.Server):
    """uvicorn's server, but a signal does not end the process as soon as the serving is over."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Close the receiver at the first signal."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield


def make_server(app: ASGIApp, *, max_connections: int, max_connections_per_address: int) -> Server:
    """Make a server, to be served on a socket: `await server.serve(sockets=[listening])`."""

    class Protocol(PromptProtocol):
        open_by_address: ClassVar[Counter[str]] = Counter()
        most_of_an_address = max_connections_per_address

    return Server(
        uvicorn.Config(
            app,
            http=Protocol,
            ws="none",
            lifespan="on",
            access_log=False,
            log_config=None,
            server_header=False,
            proxy_headers=False,
            # uvicorn counts the connection itself: with a limit of 1 nobody would get in.
            limit_concurrency=max_connections + 1,
            timeout_keep_alive=IDLE_SECONDS,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
    )


def listen(host: str, port: int) -> socket.socket:
    """Take a port.

    Raises:
        OSError: It cannot be had.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, protocol, _, address = found[0]
    # The protocol is named, as asyncio turns Nagle's algorithm off only then; left on, it costs 40 ms an answer.
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(1024)
    except OSError:
        listening.close()
        raise
    return listening


def address_of(listening: socket.socket) -> str:
    """The base URL under which a socket is reached from this machine."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
