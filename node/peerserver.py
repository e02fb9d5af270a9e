"""The peers' port: what other authorities may ask of this node, over mutual TLS 1.3 with keys pinned in the directory.

    POST /v1/pouch                           a pouch, answered by a pouch
    HEAD /v1/parts/<envelope hash>/<i>       bytes held of a wanted part
    PUT  /v1/parts/<envelope hash>/<i>?offset=n
    GET  /v1/prekeys?yours=n                 our current prekeys, proven
    GET  /<SHA-256 of an origin>/checkpoint  the greatest head we have of that log, ours or another's (C2SP tlog-witness)
    GET  /v1/directory/<name>                our mirror of the directory

Refusals of checks 1 to 4 are HTTP statuses with a problem document. Nothing else is on this port. (SPEC.md section 4.1)
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from http import HTTPStatus

import structlog
from aiohttp import HttpVersion11, hdrs, web

from exchange import codes as exchange_codes
from exchange.exchange import Exchange
from exchange.partsin import Upload
from keys.directory import mirror
from keys.transport import peer_authority
from node import codes
from node.clock import monotonic_ms
from node.home import Home
from node.peerlistener import PeerConnection
from protocol import codes as protocol_codes
from protocol import limits
from protocol.errors import LocalError, PassingError, ProtocolError, RogatoryError
from protocol.heads import HeadError

UPLOADS_PER_PEER = 8
PIECE = 30.0  # seconds: the longest wait for the next piece of a body
POUCH_TIME = 120.0  # seconds for the whole body of a pouch
_CHUNK = 1 << 20
_PEER: web.RequestKey[str] = web.RequestKey("peer", str)
_log = structlog.get_logger("peers")


class PeerServer:
    """The handlers. ``pins`` gives SPKI pin -> authority of the directory in force; ``seen`` is told of every authority that calls.

    ``piece``: seconds to wait for the next piece of a body.
    """

    def __init__(
        self, exchange: Exchange, home: Home, pins: Callable[[], Mapping[bytes, str]], seen: Callable[[str], None],
        *, piece: float = PIECE,
    ) -> None:  # fmt: skip
        self._exchange = exchange
        self._home = home
        self._pins = pins
        self._seen = seen
        self._piece = piece
        self._stopping = False
        self._uploads: Counter[str] = Counter()

    def stop(self) -> None:
        """End uploads at their next piece: what was taken is kept, and they go on there when the node runs again."""
        self._stopping = True

    def app(self) -> web.Application:
        """The aiohttp application, without its listener."""
        app = web.Application(middlewares=[self._guard], client_max_size=limits.POUCH + limits.POUCH_HEAD)
        app.router.add_post("/v1/pouch", self._pouch)
        app.router.add_put("/v1/parts/{hash:[0-9a-f]{64}}/{number:[1-9][0-9]{0,2}}", self._put_part)
        app.router.add_head("/v1/parts/{hash:[0-9a-f]{64}}/{number:[1-9][0-9]{0,2}}", self._head_part)
        app.router.add_get("/v1/prekeys", self._prekeys, allow_head=False)
        app.router.add_get("/{origin:[0-9a-f]{64}}/checkpoint", self._checkpoint, allow_head=False)
        app.router.add_get("/v1/directory/{name:[a-zA-Z0-9._/-]{1,160}}", self._directory, allow_head=False)
        return app

    @web.middleware
    async def _guard(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Who calls (check 2), and every refusal as a status."""
        started = monotonic_ms()
        connection = request.protocol
        assert isinstance(connection, PeerConnection)
        connection.began()
        peer, code = "?", ""
        try:
            peer = request[_PEER] = self._peer(request)
            response = await handler(request)
        except RogatoryError as error:
            code = error.code.code
            response = problem(error)
        except web.HTTPException as error:
            response = web.Response(status=error.status, headers={"Allow": error.headers["Allow"]} if "Allow" in error.headers else {})
        except (ConnectionError, web.RequestPayloadError):
            code = "gone"  # it went away within its own request, or sent what is no HTTP: nobody may be left to tell
            response = web.Response(status=HTTPStatus.BAD_REQUEST)
        except Exception:  # noqa: BLE001 - whatever it is, it is this request's alone
            _log.exception("peer.fault", peer=peer, resource=_resource(request))
            response = web.Response(status=HTTPStatus.INTERNAL_SERVER_ERROR)
        if not request.content.is_eof() or response.status in (HTTPStatus.BAD_REQUEST, HTTPStatus.FORBIDDEN):
            response.force_close()
        connection.ended()
        _log.info(
            "peer.request", peer=peer, method=request.method, resource=_resource(request), status=response.status, code=code,
            ms=monotonic_ms() - started,
        )  # fmt: skip
        return response

    def _peer(self, request: web.Request) -> str:
        """Whose connection it is. Raises TLS-AUTHORITY, CONTENT-ENCODING, and 400 for another HTTP than 1.1."""
        if request.version != HttpVersion11:
            raise web.HTTPBadRequest
        transport = request.transport
        peer = peer_authority(transport.get_extra_info("ssl_object") if transport else None, self._pins())
        if hdrs.CONTENT_ENCODING in request.headers:
            raise ProtocolError(codes.CONTENT_ENCODING)
        self._seen(peer)
        return peer

    async def _pouch(self, request: web.Request) -> web.Response:
        length = request.content_length
        if length is None or length > limits.POUCH:
            raise ProtocolError(protocol_codes.POUCH_SIZE, f"{length} bytes")
        frame = bytearray()
        async with _in_time(POUCH_TIME):
            while chunk := await self._next_piece(request):
                frame += chunk
        answer = await asyncio.to_thread(self._exchange.inbox.receive, request[_PEER], bytes(frame))
        return web.Response(body=answer, content_type="application/vnd.rogatory.pouch")

    async def _next_piece(self, request: web.Request) -> bytes:
        """What has come of the body, up to a mebibyte; empty at its end. Raises PEER-TIME."""
        async with _in_time(self._piece):
            return await request.content.read(_CHUNK)

    async def _head_part(self, request: web.Request) -> web.Response:
        envelope_hash, number = _part(request)
        upload = await asyncio.to_thread(self._exchange.parts_in.held, request[_PEER], envelope_hash, number)
        return web.Response(headers={"Upload-Offset": str(upload)})

    async def _put_part(self, request: web.Request) -> web.Response:
        peer, (envelope_hash, number) = request[_PEER], _part(request)
        offset = _query_uint(request, "offset")
        if self._uploads[peer] >= UPLOADS_PER_PEER:
            raise PassingError(exchange_codes.PEER_QUOTA, f"{UPLOADS_PER_PEER} uploads at once", seconds=5)
        self._uploads[peer] += 1
        try:
            await self._receive_part(request, peer, envelope_hash, number, offset)
        finally:
            self._uploads[peer] -= 1
        return web.Response(status=HTTPStatus.NO_CONTENT)

    async def _receive_part(self, request: web.Request, peer: str, envelope_hash: bytes, number: int, offset: int) -> None:
        parts_in = self._exchange.parts_in
        upload = await asyncio.to_thread(parts_in.open, peer, envelope_hash, number, offset)
        try:
            whole = await self._fill(upload, request)
        except ProtocolError as error:
            await asyncio.to_thread(upload.close)
            await asyncio.to_thread(parts_in.failed, envelope_hash, number, error)
            raise
        except BaseException:
            await asyncio.to_thread(upload.close)
            raise
        await asyncio.to_thread(upload.close)
        if whole:
            await asyncio.to_thread(parts_in.done, envelope_hash, number)

    async def _fill(self, upload: Upload, request: web.Request) -> bool:
        """Take the body into a part; whether it is whole and verified now. Raises PART-*, PEER-TIME, PEER-STOPPING, STORE-WRITE."""
        if (request.content_length or 0) > upload.left:
            raise ProtocolError(protocol_codes.PART_LENGTH, "longer than announced")
        while upload.left and (chunk := await self._next_piece(request)):
            await asyncio.to_thread(upload.write, chunk)
            if self._stopping:
                raise PassingError(codes.PEER_STOPPING, seconds=10)
        if upload.left:
            return False
        if await self._next_piece(request):
            raise ProtocolError(protocol_codes.PART_LENGTH, "longer than announced")
        await asyncio.to_thread(upload.finish)
        return True

    async def _prekeys(self, request: web.Request) -> web.Response:
        yours = _query_uint(request, "yours")
        version = self._exchange.directory().version
        frame = await asyncio.to_thread(self._exchange.contact.prekeys_frame, yours, version)
        return web.Response(body=frame, content_type="application/vnd.rogatory.pouch")

    async def _checkpoint(self, request: web.Request) -> web.Response:
        note = await asyncio.to_thread(self._exchange.contact.checkpoint, bytes.fromhex(request.match_info["origin"]))
        if note is None:
            raise web.HTTPNotFound
        return web.Response(body=note, content_type="text/plain")

    async def _directory(self, request: web.Request) -> web.Response:
        data = await asyncio.to_thread(mirror.read, self._home.directory, request.match_info["name"])
        if data is None:
            raise web.HTTPNotFound
        return web.Response(body=data, content_type="application/json")


@contextlib.asynccontextmanager
async def _in_time(seconds: float) -> AsyncIterator[None]:
    """Raises PEER-TIME when the block takes longer."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise PassingError(codes.PEER_TIME, f"{seconds:.0f} s", seconds=1) from None


def problem(error: RogatoryError) -> web.Response:
    """A refusal as RFC 9457 problem document; 409 carries the size to link from, as in C2SP tlog-witness."""
    status, headers = _status(error), {}
    if isinstance(error, PassingError):
        headers["Retry-After"] = str(error.seconds)
    body: dict[str, object] = {"type": f"urn:rogatory:error:{error.code.code}", "status": status, **error.as_dict()}
    if isinstance(error, HeadError):
        body["size"] = error.greatest
    elif error.code is exchange_codes.PART_OFFSET:
        body["size"] = int(error.detail)
    return web.json_response(body, status=status, headers=headers, content_type="application/problem+json")


def _status(error: RogatoryError) -> int:
    code = error.code
    if code in _STATUS:
        return _STATUS[code]
    if isinstance(error, PassingError):
        return HTTPStatus.SERVICE_UNAVAILABLE
    return HTTPStatus.SERVICE_UNAVAILABLE if isinstance(error, LocalError) else HTTPStatus.BAD_REQUEST


_STATUS = {
    protocol_codes.TLS_AUTHORITY: HTTPStatus.FORBIDDEN,
    protocol_codes.POUCH_SIZE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    protocol_codes.HEAD_UNLINKED: HTTPStatus.CONFLICT,
    protocol_codes.HEAD_BROKEN: HTTPStatus.UNPROCESSABLE_ENTITY,
    protocol_codes.HEAD_FORKED: HTTPStatus.UNPROCESSABLE_ENTITY,
    protocol_codes.HEAD_STOPPED: HTTPStatus.UNPROCESSABLE_ENTITY,
    protocol_codes.HEAD_ORIGIN: HTTPStatus.UNPROCESSABLE_ENTITY,
    protocol_codes.PART_LENGTH: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    exchange_codes.PART_UNWANTED: HTTPStatus.NOT_FOUND,
    exchange_codes.PART_OFFSET: HTTPStatus.CONFLICT,
    exchange_codes.PART_BUSY: HTTPStatus.CONFLICT,
    exchange_codes.PEER_QUOTA: HTTPStatus.TOO_MANY_REQUESTS,
    exchange_codes.STORE_WRITE: HTTPStatus.INSUFFICIENT_STORAGE,
    exchange_codes.DISK_RESERVE: HTTPStatus.INSUFFICIENT_STORAGE,
    codes.PEER_TIME: HTTPStatus.REQUEST_TIMEOUT,
    codes.CONTENT_ENCODING: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
}


def _part(request: web.Request) -> tuple[bytes, int]:
    return bytes.fromhex(request.match_info["hash"]), int(request.match_info["number"])


def _query_uint(request: web.Request, name: str) -> int:
    text = request.query.get(name, "0")
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise ProtocolError(protocol_codes.POUCH_FORM, name)
    return int(text)


def _resource(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "-"
