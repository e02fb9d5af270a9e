"""Where a call to another authority may go: looked at when the socket is made, and again on the open connection, before a word is said.

    name in the signed directory -> address -> may it be dialled? -> socket -> TLS -> its peer address, its pin -> request

A name is the directory's word, an address is only a name server's: one that answers otherwise the second time finds the same check.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.resolver import ThreadedResolver

from node import codes
from node.inplace import InPlace
from protocol.errors import ProtocolError

FORBIDDEN: Final = errno.EACCES
_KEEPALIVE = 120  # seconds; below the listener's, so that the caller is the one who closes
_UNHEARD = 30_000  # ms: what was sent and is not acknowledged by then counts as lost (RFC 5482)


class PeerAnswers(ResponseHandler, InPlace):
    """One connection to another authority."""


class PeerConnector(aiohttp.TCPConnector):
    """Connections to one authority. ``may_dial``: whether an IP address may be called.

    ``check``: told of the TLS connection before each request over it; raises when the other side is not the one meant.
    """

    def __init__(self, may_dial: Callable[[str], bool], check: Callable[[ssl.SSLObject | None], None]) -> None:
        super().__init__(
            limit=4, keepalive_timeout=_KEEPALIVE, use_dns_cache=False, resolver=ThreadedResolver(), socket_factory=self._make_socket
        )
        self._factory = partial(_answers, asyncio.get_running_loop())  # aiohttp has no public way to name a protocol
        self._may_dial = may_dial
        self._check = check
        self._open: weakref.WeakSet[asyncio.Transport] = weakref.WeakSet()

    def abort(self) -> None:
        """End every connection at once: a farewell to a peer that reads nothing would last half a minute."""
        for transport in tuple(self._open):
            transport.abort()

    def _make_socket(self, info: tuple[Any, ...]) -> socket.socket:
        """A socket for this address, if it may be dialled. Raises OSError (FORBIDDEN), so that aiohttp tries the name's next one."""
        family, kind, protocol, _, address = info
        if not self._may_dial(address[0]):
            raise OSError(FORBIDDEN, address[0])
        made = socket.socket(family, kind, protocol)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNHEARD)
        return made

    async def connect(
        self, req: aiohttp.ClientRequest, traces: list[aiohttp.tracing.Trace], timeout: aiohttp.ClientTimeout  # noqa: ASYNC109 - aiohttp's
    ) -> aiohttp.connector.Connection:
        """A connection, new or kept, whose other end was looked at now. Raises PEER-ADDRESS, TLS-AUTHORITY."""
        connection = await super().connect(req, traces, timeout)
        try:
            transport = connection.transport
            name = transport.get_extra_info("peername") if transport is not None else None
            _demand(self._may_dial, name[0] if name else "")
            self._check(transport.get_extra_info("ssl_object") if transport is not None else None)
            if transport is not None:
                self._open.add(transport)
        except BaseException:
            connection.close()
            raise
        return connection


def _answers(loop: asyncio.AbstractEventLoop) -> ResponseHandler:
    return PeerAnswers(loop)


def _demand(may_dial: Callable[[str], bool], ip: str) -> None:
    if not may_dial(ip):
        raise ProtocolError(codes.PEER_ADDRESS, ip)
