"""A TCP proxy between two nodes: counts what passes, cuts connections, holds them back, swallows everything."""

import asyncio
import contextlib
from collections.abc import AsyncIterator


class Proxy:
    """``cuts``: after how many bytes in all (caller to listener) a connection is cut, ascending. ``passed``: bytes so far.

    ``backwards``: cuts and counts what comes from the listener instead. ``latency``: seconds before each piece goes on. ``rate``:
    bytes a second each way for all, 0: any; then nothing passes while ``up`` is not set, and it goes on afterwards, as TCP does.
    ``half``: an end of the listener's is not told to the caller, whose half of the connection stays open.
    ``hole``: swallow what comes, and keep the connection open. ``deaf``: the same for what the listener answers only. ``dribble``:
    bytes that go on at a time, 0 for all.
    """

    def __init__(self, target: int, cuts: list[int], latency: float, *, backwards: bool = False) -> None:
        self.target = target
        self.backwards = backwards
        self.cuts = cuts
        self.latency = latency
        self.rate = 0.0
        self.up = asyncio.Event()
        self.up.set()
        self.whole = asyncio.Event()  # set: halves end as well
        self._line = (asyncio.Lock(), asyncio.Lock())
        self.hole = self.deaf = self.half = False
        self.dribble = 0
        self.passed = 0
        self.loop = asyncio.get_running_loop()
        self.done: list[int] = []
        self.connections = 0
        self.tasks: set[asyncio.Task[None]] = set()
        self._open: set[asyncio.StreamWriter] = set()
        self._asking: set[asyncio.StreamWriter] = set()
        self._listeners: set[asyncio.StreamWriter] = set()

    def unanswered(self) -> int:
        """Connections on which the caller has spoken last: a request is under way, or its answer."""
        return len(self._asking)

    def cut(self) -> None:
        """End every connection now, without a farewell."""
        for writer in tuple(self._open):
            writer.transport.abort()

    def halve(self) -> None:
        """End every connection towards the listener, and tell the callers nothing."""
        self.half = True
        for writer in tuple(self._listeners):
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
        self._listeners.add(back)
        try:
            await self._both_ways(reader, writer, there, back)
        except asyncio.CancelledError:
            pass  # the end of the test
        finally:
            self._open -= {writer, back}
            self._listeners.discard(back)
            self._asking.discard(back)
            writer.transport.abort()
            back.transport.abort()

    async def _both_ways(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, there: asyncio.StreamReader, back: asyncio.StreamWriter
    ) -> None:
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._carry(reader, back, back, asks=True))
                both.create_task(self._carry(there, writer, back, asks=False))
        except* (ConnectionError, EOFError):
            if self.half and back.transport.is_closing() and not writer.transport.is_closing():
                await self.whole.wait()

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, listener: asyncio.StreamWriter, *, asks: bool
    ) -> None:
        """One direction of a connection; ``asks``: the caller's."""
        counted = asks != self.backwards
        while piece := await reader.read(self.dribble or (1024 if self.rate else 65_536)):
            if asks:
                self._asking.add(listener)
            if self.rate:
                async with self._line[counted]:  # one line each way, for all connections
                    await self.up.wait()
                    await asyncio.sleep(len(piece) / self.rate)
            if self.latency:
                await asyncio.sleep(self.latency)
            if self.hole or (self.deaf and not asks):
                continue
            if not asks:
                self._asking.discard(listener)
            if counted:
                self.passed += len(piece)
                if self.cuts and self.passed >= self.cuts[0]:
                    self.done.append(self.cuts.pop(0))
                    raise EOFError
            writer.write(piece)
            await writer.drain()
        raise EOFError


@contextlib.asynccontextmanager
async def proxy(
    port: int, target: int, cuts: list[int] | None = None, latency: float = 0.0, *, backwards: bool = False
) -> AsyncIterator[Proxy]:
    """A proxy that listens at ``port`` and leads to ``target``, both on loopback."""
    one = Proxy(target, cuts or [], latency, backwards=backwards)
    server = await asyncio.start_server(one.serve, "127.0.0.1", port, limit=65_536)
    try:
        yield one
    finally:
        server.close()
        for task in tuple(one.tasks):
            task.cancel()
        if one.tasks:
            await asyncio.wait(one.tasks)
