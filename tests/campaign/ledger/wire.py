"""A wire to a server that can be cut and held, so that a test can lose a database and find it again."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from sqlalchemy import make_url


class Wire:
    """Passes everything on between a port of its own and a server's.

    Attributes:
        port: Where it listens, on 127.0.0.1.
        is_cut: Whether whoever connects is sent away.
    """

    def __init__(self, port: int) -> None:
        self.port = 0
        self.is_cut = False
        self._server_port = port
        self._flows = asyncio.Event()
        self._flows.set()
        self._open: set[asyncio.StreamWriter] = set()
        self._passing: set[asyncio.Task[None]] = set()

    def cut(self) -> None:
        """Drop every connection, and let nobody in."""
        self.is_cut = True
        for writer in self._open:
            writer.transport.abort()

    def drop(self) -> None:
        """Drop every connection, but let new ones in."""
        self.cut()
        self.is_cut = False

    def mend(self) -> None:
        """Let everybody in, and everything through."""
        self.is_cut = False
        self._flows.set()

    def hold(self) -> None:
        """Swallow what comes: no answer, and no sign that there will be none."""
        self._flows.clear()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.is_cut:
            writer.transport.abort()
            return
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._server_port)
        self._open |= {writer, server_writer}
        for source, sink in ((reader, server_writer), (server_reader, writer)):
            task = asyncio.create_task(self._pass(source, sink))
            self._passing.add(task)
            task.add_done_callback(self._passing.discard)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while part := await reader.read(65536):
                await self._flows.wait()
                writer.write(part)
                await writer.drain()
        writer.close()
        self._open.discard(writer)


@contextlib.asynccontextmanager
async def wired(url: str) -> AsyncIterator[tuple[str, Wire]]:
    """Lay a wire to a database. Gives the URL at its near end, and the wire."""
    parsed = make_url(url)
    assert parsed.port is not None
    wire = Wire(parsed.port)
    server = await asyncio.start_server(wire._take, "127.0.0.1", 0)  # noqa: SLF001  # its own
    wire.port = server.sockets[0].getsockname()[1]
    try:
        yield parsed.set(port=wire.port).render_as_string(hide_password=False), wire
    finally:
        wire.mend()
        wire.cut()
        server.close()
        for task in list(wire._passing):  # noqa: SLF001
            task.cancel()
        await asyncio.gather(*wire._passing, return_exceptions=True)  # noqa: SLF001
        await server.wait_closed()
