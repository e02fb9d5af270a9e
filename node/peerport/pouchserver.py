"""Pouches on the peers' port: through the gate of their lane before they are read, judged when they have a place at work.

The lane that a pouch claims stands in its first seven bytes; all of its items must be of that lane (check 7).
"""

from __future__ import annotations

import asyncio
from typing import Final

from aiohttp import web

from exchange.exchange import Exchange
from node.peerport.collectserver import MEDIA_TYPE
from node.peerport.gate import SHARES, Gate
from node.peerrequest import PEER, in_time, next_chunk
from protocol import codes, limits, pouch
from protocol.errors import ProtocolError

POUCH_TIME: Final = 120.0  # seconds for the whole body of a pouch


class PouchServer:
    """``POST /v1/pouch``. ``piece``: seconds to wait for the next piece of a body."""

    def __init__(self, exchange: Exchange, piece: float) -> None:
        self._exchange, self._piece = exchange, piece
        self.gates = {lane: Gate(share, lambda: exchange.reserve.tight) for lane, share in SHARES.items()}

    def add_to(self, app: web.Application) -> None:
        """Add the route."""
        app.router.add_post("/v1/pouch", self._pouch)

    async def _pouch(self, request: web.Request) -> web.Response:
        peer, length = request[PEER], request.content_length
        if length is None or length > limits.POUCH:
            raise ProtocolError(codes.POUCH_SIZE, f"{length} bytes")
        async with in_time(POUCH_TIME):
            begins = await next_chunk(request, self._piece)
        gate = self.gates[pouch.peek_lane(begins)]
        async with gate.admit(peer, length):
            frame = await self._read(request, begins)
            async with gate.work(peer):
                answer = await asyncio.to_thread(self._exchange.inbox.receive, peer, frame)
        return web.Response(body=answer, content_type=MEDIA_TYPE)

    async def _read(self, request: web.Request, begins: bytes) -> bytes:
        chunks = [begins]
        async with in_time(POUCH_TIME):
            while chunk := await next_chunk(request, self._piece):
                chunks.append(chunk)
        return b"".join(chunks)
