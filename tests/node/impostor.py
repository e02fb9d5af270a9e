"""A peer that answers as a test says, with a real member's key: garbage, redirects, faults, silence."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

from keys.transport import TransportKey, server_context

Answer = bytes | Callable[[asyncio.StreamWriter], Awaitable[None]]


class Impostor:
    """``answers``: by the beginning of the target; the bytes to send, or what writes them. ``asked``: every request's first line; ``body``: the last one's."""

    def __init__(self, answers: dict[str, Answer], deaf: bool) -> None:
        self.answers = answers
        self.deaf = deaf
        self.tasks: list[asyncio.Task[None]] = []
        self.asked: list[str] = []
        self.heads: list[str] = []
        self.body = b""
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._serve(reader, writer)
        finally:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.tasks.append(asyncio.current_task())
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, OSError):
            if self.deaf:
                await asyncio.Event().wait()
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                line = head.split("\r\n")[0]
                self.asked.append(line)
                self.heads.append(head)
                length = next((int(h.split(":")[1]) for h in head.split("\r\n") if h.lower().startswith("content-length:")), 0)
                self.body = await reader.readexactly(length)
                answer = next((a for begin, a in self.answers.items() if line.split()[1].startswith(begin)), b"")
                if callable(answer):
                    await answer(writer)
                elif answer:
                    writer.write(answer)
                    await writer.drain()
                else:
                    break


@contextlib.asynccontextmanager
async def impostor(
    port: int, key: TransportKey, trusted: list[bytes], answers: dict[str, Answer], *, deaf: bool = False
) -> AsyncIterator[Impostor]:
    """It listens at this port with this key. ``deaf``: it reads nothing."""
    one = Impostor(answers, deaf)
    server = await asyncio.start_server(one.serve, "127.0.0.1", port, ssl=server_context(key, trusted))
    try:
        yield one
    finally:
        server.close()
        for task in one.tasks:
            task.cancel()
        if one.tasks:
            await asyncio.wait(one.tasks)


def ok(body: bytes, content_type: str = "application/vnd.rogatory.pouch", status: str = "200 OK", **headers: str) -> bytes:
    """An answer's bytes."""
    more = "".join(f"{k.replace('_', '-')}: {v}\r\n" for k, v in headers.items())
    head = f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n{more}\r\n"
    return head.encode() + body


async def drops(writer: asyncio.StreamWriter) -> None:
    """An answer of which a byte comes now and then, and never the whole."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.01)


async def never(writer: asyncio.StreamWriter) -> None:
    """Say nothing for ever."""
    await asyncio.Event().wait()


async def endless(writer: asyncio.StreamWriter) -> None:
    """Send a body without end."""
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"10000\r\n" + bytes(65_536) + b"\r\n")
        await writer.drain()
        await asyncio.sleep(0)  # drain alone need not let anybody else work
