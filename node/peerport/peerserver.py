"""The peers' port: what other authorities may ask of this node, over mutual TLS 1.3 with keys pinned in the directory.

    POST /v1/pouch                           a pouch, answered by a pouch
    HEAD, PUT /v1/parts/<envelope hash>/<i>  evidence: see ``partserver``
    POST /v1/collect, GET /v1/parts/...      for an authority that nobody can call: ``collectserver``
    GET  /v1/prekeys?yours=n                 our current prekeys, proven
    heads: witnessing, links, fork proofs    see ``witnessserver``
    GET  /v1/directory/<name>                our mirror of the directory

Refusals of checks 1 to 4 are HTTP statuses with a problem document. Nothing else is on this port. (SPEC.md section 4.1)
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus

import structlog
from aiohttp import HttpVersion11, hdrs, web

from exchange import codes as exchange_codes
from exchange.exchange import Exchange
from keys.directory import mirror
from keys.transport import peer_authority
from node import codes
from node.carrying.mailbox import Mailboxes
from node.clock import monotonic_ms
from node.home import Home
from node.peerport.collectserver import MEDIA_TYPE, CollectServer
from node.peerport.gate import Questions
from node.peerport.partserver import PartServer
from node.peerport.peerlistener import PeerConnection
from node.peerport.pouchserver import PouchServer
from node.peerport.witnessserver import WitnessServer
from node.peerrequest import PEER, query_uint
from protocol import codes as protocol_codes
from protocol import limits
from protocol.errors import LocalError, PassingError, ProtocolError, RogatoryError
from protocol.heads import HeadError

PIECE = 30.0  # seconds: the longest wait for the next piece of a body
_log = structlog.get_logger("peers")


class PeerServer:
    """The handlers. ``pins`` gives SPKI pin -> authority of the directory in force; ``seen`` is told of every authority that calls.

    ``piece``: seconds to wait for the next piece of a body.
    """

    def __init__(
        self, exchange: Exchange, home: Home, pins: Callable[[], Mapping[bytes, str]], seen: Callable[[str], None],
        *, piece: float = PIECE, mailboxes: Mailboxes | None = None,
    ) -> None:  # fmt: skip
        self._exchange = exchange
        self._home = home
        self._pins = pins
        self._seen = seen
        self._piece = piece
        self._questions = Questions()
        self._pouches = PouchServer(exchange, piece)
        self._collects = CollectServer(exchange, mailboxes or Mailboxes(), self._pouches.gates, piece)
        self._parts = PartServer(exchange, piece)
        self._witness = WitnessServer(exchange, piece)

    def stop(self) -> None:
        """End uploads at their next piece: what was taken is kept, and they go on there when the node runs again."""
        self._parts.stop()

    def app(self) -> web.Application:
        """The aiohttp application, without its listener."""
        app = web.Application(middlewares=[self._guard], client_max_size=limits.POUCH + limits.POUCH_HEAD)
        self._pouches.add_to(app)
        self._collects.add_to(app)
        self._parts.add_to(app)
        app.router.add_get("/v1/prekeys", self._prekeys, allow_head=False)
        self._witness.add_to(app)
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
            peer = request[PEER] = self._peer(request)
            if request.method == hdrs.METH_GET:
                self._questions.demand(peer)
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

    async def _prekeys(self, request: web.Request) -> web.Response:
        yours = query_uint(request, "yours")
        version = self._exchange.directory().version
        frame = await asyncio.to_thread(self._exchange.contact.prekeys_frame, yours, version)
        return web.Response(body=frame, content_type=MEDIA_TYPE)

    async def _directory(self, request: web.Request) -> web.Response:
        data = await asyncio.to_thread(mirror.read, self._home.directory, request.match_info["name"])
        if data is None:
            raise web.HTTPNotFound
        return web.Response(body=data, content_type="application/json")


def refusal_of(error: RogatoryError) -> tuple[int, int, int | None]:
    """How a refusal is told: HTTP status, seconds of Retry-After (0: none), and the size to link from."""
    seconds = error.seconds if isinstance(error, PassingError) else 0
    return _status(error), seconds, error.greatest if isinstance(error, HeadError) else None


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


def _resource(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "-"
