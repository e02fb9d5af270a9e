"""Speaking to a peers' port by hand: bytes over TLS, as whoever holds a key."""

import asyncio
import contextlib
import json
import ssl

from keys.transport import TransportKey, client_context
from protocol import limits
from tests.world import NETWORK, START


def context_of(place, key: TransportKey) -> ssl.SSLContext:
    """A caller's context with this key, trusting the place's certificate."""
    return client_context(key, place.directory().member(place.name).certificates)


def stranger(name: str = "xz-ca", begins: int = 0, ends: int = START + 36_500 * limits.DAY) -> TransportKey:
    """A key that no directory lists."""
    key = TransportKey.generate()
    key.issue_certificate(name, NETWORK, begins, ends)
    return key


class Wire:
    """One connection. Read answers with ``answer``, what comes until the end with ``rest``."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def say(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        """(status, headers in lower case, body)."""
        async with asyncio.timeout(20):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
            body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        return int(head[0].split()[1]), headers, body

    async def rest(self, limit: float = 20) -> bytes:
        """What comes until the other side closes."""
        async with asyncio.timeout(limit):
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                return await self.reader.read()
            return b""

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            await self.writer.wait_closed()


@contextlib.asynccontextmanager
async def wire(place, caller: str = "xa-ca", context: ssl.SSLContext | None = None):
    """A connection to this place, as ``caller``."""
    context = context or context_of(place, place.world.holdings[caller].transport)
    reader, writer = await asyncio.open_connection("127.0.0.1", place.port, ssl=context)
    connection = Wire(reader, writer)
    try:
        yield connection
    finally:
        await connection.close()


def request(method: str, target: str, body: bytes = b"", **headers: str) -> bytes:
    """The bytes of a plain request. Underscores in names become hyphens."""
    lines = [f"{method} {target} HTTP/1.1", "Host: peer", *(f"{k.replace('_', '-')}: {v}" for k, v in headers.items())]
    if body or method in ("POST", "PUT"):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def ask(place, method: str, target: str, body: bytes = b"", caller: str = "xa-ca", **headers: str):
    """One request over a connection of its own: (status, headers, body); a HEAD has no body."""
    async with wire(place, caller) as line:
        await line.say(request(method, target, body, **headers))
        if method == "HEAD":
            head = (await line.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            return int(head[0].split()[1]), {k.lower(): v.strip() for k, _, v in (h.partition(":") for h in head[1:])}, b""
        return await line.answer()


def code_of(body: bytes) -> str:
    """The code of a problem document."""
    return json.loads(body)["code"]
