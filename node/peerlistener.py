"""The listener of the peers' port: TLS first, then HTTP, each step with its time, and nothing said about what runs here.

    5 s   handshake                     nobody without a certificate of the directory gets further
    10 s  headers, of each request      a connection that says nothing is closed
    30 s  each piece of a body          ``peerserver`` counts it
    60 s  an answer that is not read    closed, unless some of it went
    150 s between requests              aiohttp's keep-alive; longer than the caller's

(SPEC.md section 4.1, check 1)
"""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter
from typing import Any, Final

import structlog
from aiohttp import web

from node import codes
from protocol.errors import LocalError

HANDSHAKE: Final = 5.0  # seconds
HEADERS: Final = 10.0
UNREAD: Final = 60.0
CONNECTIONS: Final = 32  # of one certificate
LINE: Final = 2048  # bytes of a header line; a body never has its size said by one
NAME: Final = "rogatory"
_KEEPALIVE: Final = 150.0
_HEADERS: Final = 32  # in number
_BUFFER: Final = 1 << 18
_SHUTDOWN: Final = 2.0
_log = structlog.get_logger("peers")


class PeerListener:
    """One port. ``headers``, ``unread``: seconds, for tests."""

    def __init__(self, app: web.Application, context: ssl.SSLContext, *, headers: float = HEADERS, unread: float = UNREAD) -> None:
        app.on_response_prepare.append(_name_nothing)
        self._runner = web.AppRunner(
            app, access_log=None, handle_signals=False, shutdown_timeout=_SHUTDOWN, keepalive_timeout=_KEEPALIVE, auto_decompress=False,
            max_line_size=LINE, max_field_size=LINE, max_headers=_HEADERS, lingering_time=5.0, read_bufsize=_BUFFER,
        )  # fmt: skip
        self._context = context
        self._times = headers, unread
        self._server: asyncio.Server | None = None
        self._callers: Counter[bytes] = Counter()

    async def start(self, host: str, port: int) -> None:
        """Listen. Raises PORT-BUSY."""
        await self._runner.setup()
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(
                self._connection, host, port, ssl=self._context, ssl_handshake_timeout=HANDSHAKE, backlog=256
            )
        except OSError as error:
            await self._runner.cleanup()
            raise LocalError(codes.PORT_BUSY, f"{host}:{port}: {error.strerror}") from None

    async def close(self) -> None:
        """Take no new connection, let requests end for two seconds, close the others."""
        if self._server is not None:
            self._server.close()
        await self._runner.cleanup()

    def _connection(self) -> PeerConnection:
        server = self._runner.server
        assert server is not None
        return PeerConnection(server, self._callers, self._times, **server._kwargs)  # noqa: SLF001 - as web.Server itself does


class PeerConnection(web.RequestHandler):
    """One connection. ``peerserver`` says when a request has begun and when its answer is ready."""

    __slots__ = ("_answering", "_busy", "_caller", "_callers", "_left", "_times", "_watch")

    def __init__(self, server: web.Server, callers: Counter[bytes], times: tuple[float, float], **settings: Any) -> None:
        super().__init__(server, loop=asyncio.get_running_loop(), **settings)
        self._callers = callers
        self._times = times
        self._caller = b""
        self._busy = False
        self._answering = False
        self._left = 0
        self._watch: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """After the handshake: who called is known, the first request must follow."""
        super().connection_made(transport)
        connection = transport.get_extra_info("ssl_object")
        self._caller = connection.getpeercert(binary_form=True) if connection is not None else b""
        self._callers[self._caller] += 1
        if self._callers[self._caller] > CONNECTIONS:
            _log.warning("peer.connections", code=codes.PEER_CONNECTIONS.code)
            self.force_close()
            return
        self._wait(self._times[0], self._too_slow)

    def data_received(self, data: bytes) -> None:
        """Bytes of a request. The first after an answer start the time for its headers."""
        if not self._busy and (self._watch is None or self._answering):
            self._answering = False
            self._wait(self._times[0], self._too_slow)
        super().data_received(data)

    def began(self) -> None:
        """The headers of a request are here."""
        self._busy = True
        self._stop_waiting()

    def ended(self) -> None:
        """Its answer is about to be written."""
        self._busy = False
        self._answering, self._left = True, -1
        self._wait(self._times[1], self._look_whether_read)

    def connection_lost(self, exc: BaseException | None) -> None:
        """It is over."""
        self._stop_waiting()
        self._callers[self._caller] -= 1
        if self._callers[self._caller] <= 0:
            del self._callers[self._caller]
        super().connection_lost(exc)

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """What is not HTTP, or failed outside the handlers: a bare status, and the connection ends."""
        _log.info("peer.refused", status=status, error=type(exc).__name__)
        response = web.Response(status=status, headers={"Server": NAME})
        response.force_close()
        return response

    def _wait(self, seconds: float, then: Any) -> None:
        self._stop_waiting()
        self._watch = asyncio.get_running_loop().call_later(seconds, then)

    def _stop_waiting(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

    def _too_slow(self) -> None:
        self._watch = None
        self._abort("headers")

    def _look_whether_read(self) -> None:
        """An answer is read as long as less of it waits than the last time."""
        self._watch = None
        transport = self.transport
        waiting = transport.get_write_buffer_size() if transport is not None else 0
        if waiting and waiting == self._left:
            self._abort("answer")
        elif waiting:
            self._left = waiting
            self._wait(self._times[1], self._look_whether_read)

    def _abort(self, stage: str) -> None:
        _log.info("peer.slow", stage=stage, code=codes.PEER_TIME.code)
        if self.transport is not None:
            self.transport.abort()


async def _name_nothing(_: web.Request, response: web.StreamResponse) -> None:
    """No answer says which program of which version made it (OPS-6)."""
    response.headers["Server"] = NAME
