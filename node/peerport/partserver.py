"""Parts at the peers' port: how much of one is held, and taking the rest of it.

    HEAD /v1/parts/<envelope hash>/<i>           bytes held of a wanted part
    PUT  /v1/parts/<envelope hash>/<i>?offset=n

(SPEC.md section 4.1, check 14)
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Final, TypeVar

from aiohttp import web

from exchange import codes as exchange_codes
from exchange.evidence.partsin import Upload
from exchange.exchange import Exchange
from node import codes
from node.peerrequest import PEER, narrow, next_chunk, query_uint
from protocol import codes as protocol_codes
from protocol import limits
from protocol.errors import PassingError, ProtocolError

T = TypeVar("T")

_BLOCK: Final = 1 << 20  # bytes that are checked and written at one go
_MOST: Final = 2 << 20  # bytes, while the block before is still at work: what came meanwhile goes with it
_PIECES: Final = 256  # or so many pieces, however small
_AT_WORK: Final = 4  # blocks at once, of all uploads: the other worker threads are for what cannot wait


class PartServer:
    """The handlers. ``piece``: seconds to wait for the next piece of a part."""

    def __init__(self, exchange: Exchange, piece: float) -> None:
        self.uploads: Counter[str] = Counter()
        self._exchange = exchange
        self._piece = piece
        self._stopping = False
        self._working = asyncio.Semaphore(_AT_WORK)

    def stop(self) -> None:
        """End uploads at their next piece: what was taken is kept, and they go on there when the node runs again."""
        self._stopping = True

    def add_to(self, app: web.Application) -> None:
        """Answer for parts in this application."""
        app.router.add_put("/v1/parts/{hash:[0-9a-f]{64}}/{number:[1-9][0-9]{0,2}}", self._put)
        app.router.add_head("/v1/parts/{hash:[0-9a-f]{64}}/{number:[1-9][0-9]{0,2}}", self._head)

    async def _head(self, request: web.Request) -> web.Response:
        envelope_hash, number = _part(request)
        upload = await asyncio.to_thread(self._exchange.parts_in.held, request[PEER], envelope_hash, number)
        return web.Response(headers={"Upload-Offset": str(upload)})

    async def _put(self, request: web.Request) -> web.Response:
        peer, (envelope_hash, number) = request[PEER], _part(request)
        offset = query_uint(request, "offset")
        if self.uploads[peer] >= limits.UPLOADS_PEER:
            raise PassingError(exchange_codes.PEER_QUOTA, f"{limits.UPLOADS_PEER} uploads at once", seconds=5)
        if self.uploads.total() >= limits.UPLOADS:
            raise PassingError(exchange_codes.UPLOADS_FULL, f"{limits.UPLOADS} at once", seconds=5)
        self.uploads[peer] += 1
        try:
            await self._receive(request, peer, envelope_hash, number, offset)
        finally:
            self.uploads[peer] -= 1
        return web.Response(status=HTTPStatus.NO_CONTENT)

    async def _receive(self, request: web.Request, peer: str, envelope_hash: bytes, number: int, offset: int) -> None:
        parts_in = self._exchange.parts_in
        upload = await self._work(lambda: parts_in.open(peer, envelope_hash, number, offset))
        try:
            whole = await self._fill(upload, request)
        except ProtocolError as error:
            await self._work(upload.close)
            await self._work(partial(parts_in.failed, envelope_hash, number, error))
            raise
        except BaseException:
            await self._work(upload.close)
            raise
        await self._work(upload.close)
        if whole:
            await self._work(lambda: parts_in.done(envelope_hash, number))

    async def _fill(self, upload: Upload, request: web.Request) -> bool:
        """Take the body into a part; whether it is whole and verified now. Raises PART-*, PEER-TIME, PEER-STOPPING, STORE-WRITE.

        While a block is checked and written, the next one comes in.
        """
        left = upload.left
        if (request.content_length or 0) > left:
            raise ProtocolError(protocol_codes.PART_LENGTH, "longer than announced")
        narrow(request.transport)
        behind: asyncio.Future[None] | None = None
        try:
            while left and (block := await self._block(request, left, behind)):
                if behind is not None:
                    await behind
                left -= sum(map(len, block))
                behind = await self._begin(partial(upload.write, *block))
                if self._stopping:
                    raise PassingError(codes.PEER_STOPPING, seconds=10)
        finally:
            if behind is not None:
                await behind
        if left:
            return False
        if await next_chunk(request, self._piece):
            raise ProtocolError(protocol_codes.PART_LENGTH, "longer than announced")
        await self._work(upload.finish)
        return True

    async def _block(self, request: web.Request, left: int, behind: asyncio.Future[None] | None) -> list[bytes]:
        """The next pieces of the body, about a mebibyte, or what comes while ``behind`` works; none at its end.

        Raises PART-LENGTH, PEER-TIME; what came before is kept.
        """
        block: list[bytes] = []
        size = 0
        while size < left and len(block) < _PIECES:
            if size >= _BLOCK and (size >= _MOST or behind is None or behind.done()):
                break
            try:
                piece = await next_chunk(request, self._piece)
            except (PassingError, ConnectionError, web.RequestPayloadError):
                if block:
                    break  # the next call meets it again
                raise
            if not piece:
                break
            block.append(piece)
            size += len(piece)
        if size > left:
            raise ProtocolError(protocol_codes.PART_LENGTH, "longer than announced")
        return block

    async def _work(self, work: Callable[[], T]) -> T:
        return await (await self._begin(work))

    async def _begin(self, work: Callable[[], T]) -> asyncio.Future[T]:
        """On a worker thread; few of them are for evidence."""
        await self._working.acquire()
        begun = asyncio.get_running_loop().run_in_executor(None, work)
        begun.add_done_callback(lambda _: self._working.release())
        return begun


def _part(request: web.Request) -> tuple[bytes, int]:
    return bytes.fromhex(request.match_info["hash"]), int(request.match_info["number"])
