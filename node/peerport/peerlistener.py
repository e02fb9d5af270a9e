"""The listener of the peers' port: TLS first, then HTTP, each step with its time, and nothing said about what runs here.

    0     too many knock                ``doorstep``
    5 s   handshake                     nobody without a certificate of the directory gets further
    10 s  headers, of each request      a connection that says nothing is closed
    30 s  each piece of a body          ``peerserver`` counts it
    60 s  answers that are not read     when they pile up
    150 s between requests, or to read the last answer: longer than the caller keeps a connection

(SPEC.md section 4.1, check 1)
"""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import structlog
from aiohttp import web

from node import codes
from node.inplace import InPlace
from node.peerport.doorstep import Doorstep
from protocol.errors import LocalError

CONNECTIONS: Final = 32  # of one certificate
LINE: Final = 2048  # bytes of a header line; a body never has its size said by one
NAME: Final = "rogatory"
ALPN: Final = "http/1.1"
_HEADERS: Final = 32  # in number
_BUFFER: Final = 1 << 18
_log = structlog.get_logger("peers")


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds; tests have less of them."""

    handshake: float = 5.0
    headers: float = 10.0
    unread: float = 60.0
    keepalive: float = 150.0
    shutdown: float = 2.0


class PeerListener:
    """One port, one application."""

    def __init__(self, app: web.Application, context: ssl.SSLContext, times: Times | None = None) -> None:
        self._times = times or Times()
        app.on_response_prepare.append(_name_nothing)
        self._runner = web.AppRunner(
            app, access_log=None, handle_signals=False, shutdown_timeout=self._times.shutdown,
            keepalive_timeout=self._times.keepalive, auto_decompress=False, max_line_size=LINE, max_field_size=LINE,
            max_headers=_HEADERS, lingering_time=5.0, read_bufsize=_BUFFER,
        )  # fmt: skip
        self._doorstep = Doorstep(self._connection, context, self._times.handshake)
        self._callers: Counter[bytes] = Counter()

    async def start(self, host: str, port: int) -> None:
        """Listen. Raises PORT-BUSY."""
        await self._runner.setup()
        try:
            await self._doorstep.listen(host, port)
        except OSError as error:
            await self._runner.cleanup()
            raise LocalError(codes.PORT_BUSY, f"{host}:{port}: {error.strerror}") from None

    async def close(self) -> None:
        """Take no new connection, let requests end for two seconds, close the others."""
        self._doorstep.close()
        await self._runner.cleanup()

    def _connection(self) -> PeerConnection:
        server = self._runner.server
        assert server is not None
        return PeerConnection(server, self._callers, self._times, self._doorstep.lost, **server._kwargs)  # noqa: SLF001 - as web.Server itself does


class PeerConnection(web.RequestHandler, InPlace):
    """One connection. ``peerserver`` says when a request has begun and when its answer is ready."""

    __slots__ = ("_busy", "_caller", "_callers", "_lost", "_times", "_unread", "_waiting")

    def __init__(self, server: web.Server, callers: Counter[bytes], times: Times, lost: Callable[[], None], **settings: Any) -> None:
        super().__init__(server, loop=asyncio.get_running_loop(), **settings)
        self._callers = callers
        self._times = times
        self._lost = lost
        self._caller = b""
        self._busy = False
        self._waiting: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """After the handshake: who called is known, the first request must follow."""
        super().connection_made(transport)
        connection = transport.get_extra_info("ssl_object")
        self._caller = connection.getpeercert(binary_form=True) if connection is not None else b""
        self._callers[self._caller] += 1
        if connection is not None and connection.selected_alpn_protocol() != ALPN:
            self.force_close()  # whoever means to speak another protocol does not speak to us (NET-8)
            return
        if self._callers[self._caller] > CONNECTIONS:
            _log.warning("peer.connections", code=codes.PEER_CONNECTIONS.code)
            self.force_close()
            return
        self._expect_headers()

    def data_received(self, data: bytes) -> None:
        """Bytes of a request. The first after an answer start the time for its headers."""
        if not self._busy and self._waiting is None:
            self._expect_headers()
        super().data_received(data)

    def began(self) -> None:
        """The headers of a request are here."""
        self._busy = True
        self._waiting = _cancel(self._waiting)

    def ended(self) -> None:
        """Its answer is about to be written."""
        self._busy = False

    def pause_writing(self) -> None:
        """Answers pile up: they are read in time, or it ends."""
        super().pause_writing()
        self._unread = asyncio.get_running_loop().call_later(self._times.unread, self._abort, "answer")

    def resume_writing(self) -> None:
        """They are read again."""
        super().resume_writing()
        self._unread = _cancel(self._unread)

    def connection_lost(self, exc: BaseException | None) -> None:
        """It is over."""
        self._waiting, self._unread = _cancel(self._waiting), _cancel(self._unread)
        self._callers[self._caller] -= 1
        if self._callers[self._caller] <= 0:
            del self._callers[self._caller]
        self._lost()
        super().connection_lost(exc)

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """What is not HTTP, or failed outside the handlers: a bare status, and the connection ends."""
        _log.info("peer.refused", status=status, error=type(exc).__name__)
        response = web.Response(status=status, headers={"Server": NAME})
        response.force_close()
        return response

    def _expect_headers(self) -> None:
        self._waiting = asyncio.get_running_loop().call_later(self._times.headers, self._abort, "headers")

    def _abort(self, stage: str) -> None:
        _log.info("peer.slow", stage=stage, code=codes.PEER_TIME.code)
        if self.transport is not None:
            self.transport.abort()


def _cancel(timer: asyncio.TimerHandle | None) -> asyncio.TimerHandle | None:
    """Nothing, in place of the timer."""
    if timer is not None:
        timer.cancel()
    return None


async def _name_nothing(_: web.Request, response: web.StreamResponse) -> None:
    """No answer says which program of which version made it (OPS-6)."""
    response.headers["Server"] = NAME
