"""A wire to a server that can be cut, held and taken down, so that a test can lose a server and find it again."""

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
        self._listening: asyncio.Server | None = None
        self._server_port = port
        self._flows = asyncio.Event()
        self._flows.set()
        self._open: set[asyncio.StreamWriter] = set()
        self._passing: set[asyncio.Task[None]] = set()

    async def put_up(self) -> None:
        """Listen; on the same port as before, if there was one."""
        self.is_cut = False
        self._listening = await asyncio.start_server(self._take, "127.0.0.1", self.port)
        self.port = self._listening.sockets[0].getsockname()[1]

    async def take_down(self) -> None:
        """Drop every connection, and listen no more: whoever connects is refused by the system."""
        assert self._listening is not None
        self._flows.set()
        self._listening.close()
        self.cut()
        for task in list(self._passing):
            task.cancel()
        await asyncio.gather(*self._passing, return_exceptions=True)
        await self._listening.wait_closed()

    def cut(self) -> None:
        """Drop every connection, and let nobody in."""
        self.is_cut = True
        for writer in self._open:
            writer.transport.abort()

    def drop(self) -> None:
        """Drop every connection, but let new ones in."""
        self.cut()
        self.is_cut = False

    def restore(self) -> None:
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
async def laid(port: int) -> AsyncIterator[Wire]:
    """Lay a wire to a server on this machine, for the length of the block."""
    wire = Wire(port)
    await wire.put_up()
    try:
        yield wire
    finally:
        await wire.take_down()


@contextlib.asynccontextmanager
async def wired(url: str) -> AsyncIterator[tuple[str, Wire]]:
    """Lay a wire to a database. Gives the URL at its near end, and the wire."""
    parsed = make_url(url)
    assert parsed.port is not None
    async with laid(parsed.port) as wire:
        yield parsed.set(port=wire.port).render_as_string(hide_password=False), wire
