"""The doorstep of the peers' port: how many strangers may knock, before a handshake costs anything.

    accept ─> this address: handshakes at once, handshakes a second ─> all: handshakes at once, connections ─> TLS ─> HTTP
              too many: closed without a word

A handshake costs milliseconds of a core; a refusal here costs microseconds. Whoever is in keeps its connection. (DOS-4, DOS-5)
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import Counter, OrderedDict
from collections.abc import Callable, Coroutine
from typing import Any, Final

import structlog

from node.clock import monotonic_ms
from protocol import limits
from protocol.bucket import Bucket

_KNOWN: Final = 4096  # addresses whose buckets are remembered
_BACKLOG: Final = 256
_PAUSE: Final = 0.1  # seconds, when the process has no descriptor left
_TOLD: Final = 60_000  # ms between two lines in the log
_log = structlog.get_logger("peers")


class Doorstep:
    """Accepts for a listener. ``protocol`` makes the connection's; ``context`` is asked for TLS; ``handshake``: seconds."""

    def __init__(self, protocol: Callable[[], asyncio.Protocol], context: ssl.SSLContext, handshake: float) -> None:
        self._protocol, self._context, self._handshake = protocol, context, handshake
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()
        self._shaking: Counter[str] = Counter()
        self._open = 0
        self._told = -_TOLD
        self._sockets: list[socket.socket] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def listen(self, host: str, port: int) -> None:
        """Begin to accept. Raises OSError."""
        loop = asyncio.get_running_loop()
        infos = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        try:
            for family, kind, protocol, _, address in dict.fromkeys(infos):
                listening = socket.socket(family, kind, protocol)
                self._sockets.append(listening)
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                listening.bind(address)
                listening.listen(_BACKLOG)
                listening.setblocking(False)
        except BaseException:
            self.close()
            raise
        for listening in self._sockets:
            self._start(self._accept(listening))

    def close(self) -> None:
        """Accept nobody any more; handshakes under way end."""
        for task in tuple(self._tasks):
            task.cancel()
        for listening in self._sockets:
            listening.close()
        self._sockets.clear()

    def lost(self) -> None:
        """A connection that was made is over."""
        self._open -= 1

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, address = await loop.sock_accept(listening)
            except OSError as error:  # it was gone again, or there is no descriptor for it
                _log.warning("peer.accept", error=error.strerror)
                await asyncio.sleep(_PAUSE)
                continue
            if self._may(address[0]):
                self._shaking[address[0]] += 1  # now: the next one may be accepted before this one's task begins
                self._open += 1
                self._start(self._shake(accepted, address[0]))
            else:
                accepted.close()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _may(self, ip: str) -> bool:
        """Whether this address may begin a handshake now."""
        now = monotonic_ms()
        bucket = self._buckets.get(ip)
        if bucket is None:
            bucket = self._buckets[ip] = Bucket(limits.HANDSHAKES_RATE, limits.HANDSHAKES_BURST, now)
        self._buckets.move_to_end(ip)
        while len(self._buckets) > _KNOWN:
            self._buckets.popitem(last=False)
        full = self._shaking[ip] >= limits.HANDSHAKES_PER_ADDRESS or self._shaking.total() >= limits.HANDSHAKES
        may = not full and self._open < limits.CONNECTIONS and not bucket.ask(1, now)
        if not may and now - self._told >= _TOLD:
            self._told = now
            _log.warning("peer.knocks", open=self._open, shaking=self._shaking.total())
        return may

    async def _shake(self, accepted: socket.socket, ip: str) -> None:
        loop = asyncio.get_running_loop()
        made = False
        try:
            accepted.setblocking(False)
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await loop.connect_accepted_socket(
                self._protocol, accepted, ssl=self._context, ssl_handshake_timeout=self._handshake, ssl_shutdown_timeout=self._handshake
            )
            made = True
        except (OSError, ssl.SSLError, TimeoutError, asyncio.CancelledError) as error:
            accepted.close()
            if isinstance(error, asyncio.CancelledError):
                raise
        finally:
            self._shaking[ip] -= 1
            if self._shaking[ip] <= 0:
                del self._shaking[ip]
            if not made:
                self._open -= 1
