"""A TCP proxy between two nodes: counts what passes, cuts connections, holds them back, swallows everything."""

import asyncio
import contextlib
from collections.abc import AsyncIterator


class Proxy:
    """``cuts``: after how many bytes in all (caller to listener) a connection is cut, ascending. ``passed``: bytes so far.

    ``latency``: seconds before each piece goes on. ``hole``: swallow what comes, and keep the connection open.
    """

    def __init__(self, target: int, cuts: list[int], latency: float) -> None:
        self.target = target
        self.cuts = cuts
        self.latency = latency
        self.hole = False
        self.passed = 0
        self.done: list[int] = []
        self.connections = 0
        self.tasks: set[asyncio.Task[None]] = set()
        self._open: set[asyncio.StreamWriter] = set()

    def cut(self) -> None:
        """End every connection now, without a farewell."""
        for writer in tuple(self._open):
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        self.connections += 1
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        self._open |= {writer, back}
        try:
            await self._both_ways(reader, writer, there, back)
        except asyncio.CancelledError:
            pass  # the end of the test
        finally:
            self._open -= {writer, back}
            writer.transport.abort()
            back.transport.abort()

    async def _both_ways(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, there: asyncio.StreamReader, back: asyncio.StreamWriter
    ) -> None:
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._carry(reader, back, counted=True))
                both.create_task(self._carry(there, writer, counted=False))
        except* (ConnectionError, EOFError):
            pass

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, counted: bool) -> None:
        while piece := await reader.read(65_536):
            if self.latency:
                await asyncio.sleep(self.latency)
            if self.hole:
                continue
            if counted:
                self.passed += len(piece)
                if self.cuts and self.passed >= self.cuts[0]:
                    self.done.append(self.cuts.pop(0))
                    raise EOFError
            writer.write(piece)
            await writer.drain()
        raise EOFError


@contextlib.asynccontextmanager
async def proxy(port: int, target: int, cuts: list[int] | None = None, latency: float = 0.0) -> AsyncIterator[Proxy]:
    """A proxy that listens at ``port`` and leads to ``target``, both on loopback."""
    one = Proxy(target, cuts or [], latency)
    server = await asyncio.start_server(one.serve, "127.0.0.1", port, limit=65_536)
    try:
        yield one
    finally:
        server.close()
        for task in tuple(one.tasks):
            task.cancel()
        if one.tasks:
            await asyncio.wait(one.tasks)
