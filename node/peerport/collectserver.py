"""What the peers' port answers an authority that nobody can call: its pouches, the parts it wants, and its prekeys taken.

    POST /v1/collect                            the answer to the last pouch; the next one
    GET  /v1/parts/<envelope hash>/<i>?offset=n the ciphertext of a part sent to it
    PUT  /v1/prekeys                            its prekeys, as it would answer them

(SPEC.md section 3.10)
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Final

from aiohttp import web

from exchange import codes as exchange_codes
from exchange.evidence.partfiles import read_chunks
from exchange.exchange import Exchange
from node.carrying.mailbox import Mailboxes
from node.peerport.gate import Gate
from node.peerrequest import PEER, in_time, next_piece, query_uint
from protocol import codes, limits, pouch
from protocol.collect import parse_collect
from protocol.entries import Lane
from protocol.errors import LocalError, PassingError, ProtocolError

MEDIA_TYPE: Final = "application/vnd.rogatory.pouch"
_TIME: Final = 120.0  # seconds for a body
_CHUNK: Final = 1 << 20
_FETCHES: Final = 8  # parts at once, of one peer


class CollectServer:
    """The handlers. ``gates``: of the lanes, which answers pass too; ``piece``: seconds to wait for the next piece of a body."""

    def __init__(self, exchange: Exchange, mailboxes: Mailboxes, gates: Mapping[Lane, Gate], piece: float) -> None:
        self._exchange, self._mailboxes, self._gates, self._piece = exchange, mailboxes, gates, piece
        self._fetches: Counter[str] = Counter()

    def add_to(self, app: web.Application) -> None:
        """Add the routes."""
        app.router.add_post("/v1/collect", self._collect)
        app.router.add_get("/v1/parts/{hash:[0-9a-f]{64}}/{number:[1-9][0-9]{0,2}}", self._part, allow_head=False)
        app.router.add_put("/v1/prekeys", self._prekeys)

    async def _collect(self, request: web.Request) -> web.Response:
        peer = request[PEER]
        call = parse_collect(await self._body(request, limits.POUCH + limits.POUCH_HEAD + limits.COLLECT_HEAD))
        frame = await self._mailboxes.of(peer).collect(call)
        if frame is None:
            return web.Response(status=HTTPStatus.NO_CONTENT)
        return web.Response(body=frame, content_type=MEDIA_TYPE)

    async def _prekeys(self, request: web.Request) -> web.Response:
        frame = await self._body(request, limits.POUCH_HEAD * 2)
        await asyncio.to_thread(self._exchange.contact.take_prekeys, request[PEER], frame)
        self._exchange.outbox.on_queued(request[PEER], Lane.URGENT)  # what waited for them can be wrapped now
        self._exchange.outbox.on_queued(request[PEER], Lane.ROUTINE)
        return web.Response(status=HTTPStatus.NO_CONTENT)

    async def _body(self, request: web.Request, most: int) -> bytes:
        length = request.content_length
        if length is None or length > most:
            raise ProtocolError(codes.POUCH_SIZE, f"{length} bytes")
        body = bytearray(await next_piece(request, self._piece, _CHUNK))
        async with self._gates[pouch.peek_lane(bytes(body[:7]))].admit(request[PEER], length), in_time(_TIME):
            while chunk := await next_piece(request, self._piece, _CHUNK):
                body += chunk
        return bytes(body)

    async def _part(self, request: web.Request) -> web.StreamResponse:
        peer, envelope_hash, number = request[PEER], bytes.fromhex(request.match_info["hash"]), int(request.match_info["number"])
        offset = query_uint(request, "offset")
        if self._fetches[peer] >= _FETCHES:
            raise PassingError(exchange_codes.PEER_QUOTA, f"{_FETCHES} parts at once", seconds=5)
        path, length = await asyncio.to_thread(self._sent, peer, envelope_hash, number)
        if offset > length:
            raise ProtocolError(exchange_codes.PART_OFFSET, str(length))
        self._fetches[peer] += 1
        try:
            return await self._stream(request, path, (envelope_hash, number), offset, length)
        finally:
            self._fetches[peer] -= 1

    async def _stream(
        self, request: web.Request, path: Path, part: tuple[bytes, int], offset: int, length: int
    ) -> web.StreamResponse:
        mailbox = self._mailboxes.of(request[PEER])
        if offset == 0:
            mailbox.wants_again(*part)
        response = web.StreamResponse(headers={"Content-Length": str(length - offset)})
        response.content_type = "application/octet-stream"
        await response.prepare(request)
        chunks = read_chunks(path, offset)
        while chunk := await asyncio.to_thread(next, chunks, b""):
            await response.write(chunk)
            offset += len(chunk)
            mailbox.fetched(*part, offset, whole=False)
        await response.write_eof()
        mailbox.fetched(*part, offset, whole=offset == length)
        return response

    def _sent(self, peer: str, envelope_hash: bytes, number: int) -> tuple[Path, int]:
        """The file of a part that this peer is to get, and its length. Raises PART-UNWANTED: whatever else it is not told."""
        query = "SELECT 1 FROM outgoing o JOIN delivery d ON d.message=o.id WHERE o.hash=? AND recipient=? AND state IN ('queued','wanted')"
        found = self._exchange.store.reader().execute(query, (envelope_hash, peer)).fetchone()
        if found is None:
            raise ProtocolError(exchange_codes.PART_UNWANTED, f"part {number}")
        envelope = self._exchange.messages.envelope(self._exchange.messages.find(envelope_hash))
        if number >= len(envelope.parts):
            raise ProtocolError(exchange_codes.PART_UNWANTED, f"part {number}")
        part = envelope.parts[number]
        path = self._exchange.files.outgoing(part.digest)
        if not path.is_file():
            raise LocalError(exchange_codes.ATTACHMENT_READ, f"part {number}")
        return path, part.length
