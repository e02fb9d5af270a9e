"""What the peers' port offers about heads: as a witness, as a log, and to whoever found a fork. No entry is ever given here.

    POST /add-checkpoint                     our lines under the caller's head                     (C2SP tlog-witness)
    GET  /<SHA-256 of an origin>/checkpoint  the greatest head we have of that log, ours or another's, with our lines
    GET  /v1/links?n=1&size=9&old=3,7        full consistency paths between sizes of our log n
    POST /v1/forks                           a fork proof, which anybody may bring: it convicts by itself
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

from aiohttp import web

from exchange import codes as exchange_codes
from exchange.exchange import Exchange
from node.peerrequest import PEER, in_time, next_piece, query_uint
from protocol import addcheckpoint, codes, limits
from protocol.errors import ProtocolError, RogatoryError
from protocol.heads import HeadError

BODY: Final = 300 * limits.KiB  # a fork proof holds two notes and a path
_TIME: Final = 30.0  # seconds for the whole body
_FORBIDDEN: Final = ("NOTE-", "CHECKPOINT-")
_UNKNOWN: Final = (codes.HEAD_ORIGIN, codes.WITNESS_UNASSIGNED)


class WitnessServer:
    """The handlers. ``piece``: seconds to wait for the next piece of a body."""

    def __init__(self, exchange: Exchange, piece: float) -> None:
        self._exchange = exchange
        self._piece = piece

    def add_to(self, app: web.Application) -> None:
        """Add the routes."""
        app.router.add_post("/add-checkpoint", self._add_checkpoint)
        app.router.add_get("/{origin:[0-9a-f]{64}}/checkpoint", self._checkpoint, allow_head=False)
        app.router.add_get("/v1/links", self._links, allow_head=False)
        app.router.add_post("/v1/forks", self._fork)

    async def _add_checkpoint(self, request: web.Request) -> web.Response:
        body = await self._body(request, addcheckpoint.REQUEST)
        try:
            lines = await asyncio.to_thread(self._exchange.witness.add_checkpoint, request[PEER], body)
        except HeadError as error:
            if error.code is not codes.HEAD_UNLINKED:
                raise
            size = addcheckpoint.format_size(error.greatest)
            return web.Response(body=size, status=HTTPStatus.CONFLICT, content_type=addcheckpoint.SIZE_TYPE)
        except RogatoryError as error:
            status = add_checkpoint_status(error)
            if status is None:
                raise
            return web.json_response(error.as_dict(), status=status, content_type="application/problem+json")
        return web.Response(body=lines, content_type="text/plain", charset="utf-8")

    async def _checkpoint(self, request: web.Request) -> web.Response:
        note = await asyncio.to_thread(self._exchange.contact.checkpoint, bytes.fromhex(request.match_info["origin"]))
        if note is None:
            raise web.HTTPNotFound
        return web.Response(body=note, content_type="text/plain", charset="utf-8")

    async def _links(self, request: web.Request) -> web.Response:
        n, size, olds = query_uint(request, "n"), query_uint(request, "size"), _sizes(request.query.get("old", ""))
        paths = await asyncio.to_thread(self._exchange.heads.links, n, size, olds)
        return web.Response(body=paths, content_type="application/cbor")

    async def _fork(self, request: web.Request) -> web.Response:
        proof = await self._body(request, BODY)
        await asyncio.to_thread(self._exchange.forks.take, proof)
        return web.Response(status=HTTPStatus.NO_CONTENT)

    async def _body(self, request: web.Request, most: int) -> bytes:
        """A body of at most so many bytes. Raises WITNESS-FORM, PEER-TIME."""
        body = bytearray()
        async with in_time(_TIME):
            while chunk := await next_piece(request, self._piece, most + 1):
                body += chunk
                if len(body) > most:
                    raise ProtocolError(codes.WITNESS_FORM, f"more than {most} bytes")
        return bytes(body)


def add_checkpoint_status(error: RogatoryError) -> int | None:
    """The status that C2SP tlog-witness gives a refusal: 403 for bad signatures, 404 for a log not ours to witness; None: the usual."""
    if error.code in _UNKNOWN or error.code.code.startswith("DIRECTORY-"):
        return HTTPStatus.NOT_FOUND
    if error.code is codes.NOTE_FORM or error.code is codes.CHECKPOINT_FORM:
        return HTTPStatus.BAD_REQUEST
    return HTTPStatus.FORBIDDEN if error.code.code.startswith(_FORBIDDEN) else None


def _sizes(text: str) -> Sequence[int]:
    pieces = text.split(",")
    if not all(piece.isascii() and piece.isdigit() and len(piece) <= 18 for piece in pieces):
        raise ProtocolError(exchange_codes.LINK_RANGE, "old")
    return [int(piece) for piece in pieces]
