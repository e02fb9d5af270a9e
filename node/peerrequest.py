"""A request of another authority: who makes it, the pieces of its body in time, its numbers."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Final

from aiohttp import web

from node import codes
from protocol import codes as protocol_codes
from protocol.errors import PassingError, ProtocolError

_WINDOW: Final = 2 << 20  # bytes
PEER: web.RequestKey[str] = web.RequestKey("peer", str)


@contextlib.asynccontextmanager
async def in_time(seconds: float) -> AsyncIterator[None]:
    """Raises PEER-TIME when the block takes longer."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise PassingError(codes.PEER_TIME, f"{seconds:.0f} s", seconds=1) from None


async def next_piece(request: web.Request, seconds: float, most: int) -> bytes:
    """What has come of the body, up to so many bytes; empty at its end. Raises PEER-TIME."""
    async with in_time(seconds):
        return await request.content.read(most)


async def next_chunk(request: web.Request, seconds: float) -> bytes:
    """The next bytes of the body as they came, none at its end: without a copy, for what is large. Raises PEER-TIME."""
    async with in_time(seconds):
        while True:
            chunk, _ = await request.content.readchunk()
            if chunk or request.content.at_eof():
                return chunk


def narrow(transport: asyncio.BaseTransport | None) -> None:
    """Bound what the kernel takes in of evidence: it grows with the line, and is lost, and sent again, when that is cut."""
    connection = None if transport is None else transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _WINDOW // 2)  # the kernel doubles it


def query_uint(request: web.Request, name: str) -> int:
    """A number of the query, 0 when it is not there. Raises POUCH-FORM."""
    text = request.query.get(name, "0")
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise ProtocolError(protocol_codes.POUCH_FORM, name)
    return int(text)
