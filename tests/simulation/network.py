"""The network between the nodes: slow, lossy, cut, repeating; and mouths that lie.

TLS lets nobody on the path change a byte, so it is a peer that lies: its own bytes are bent on their way out, its honest core does not
know. Every call of the shipped client and every handler of the shipped server passes here.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Protocol

import aiohttp

from node.carrying import peerclient
from node.carrying.peerclient import PeerClient
from tests.simulation.http import Answer, Incoming, incoming
from tests.simulation.points import AFTER, BEFORE

TIMEOUT = 5.0  # seconds until a connection that nobody answers is given up
_PIECE = 8192
LIES = ("flip", "cut", "replay", "swap", "status", "stall")


class Alive(Protocol):
    """One life of a node, as the network sees it."""

    name: str
    dead: bool

    def at(self, point: str, when: str) -> None:
        """Pass a crash point."""

    def serve(self, request: Incoming) -> asyncio.Task[Answer]:
        """Let the node answer."""


class Network:
    """``lives`` gives who is up. What is wrong with it changes while it runs."""

    def __init__(self, rng: random.Random, lives: Mapping[str, Alive | None], spoken: Callable[[Alive, Incoming, Answer], None]) -> None:
        self._rng, self._lives, self._spoken = rng, lives, spoken
        self.latency = 0.02
        self.rate = 0.0  # bytes per second of each connection; 0: no limit
        self.loss = self.repeat = 0.0
        self.cuts: set[tuple[str, str]] = set()
        self.slow: set[str] = set()
        self.liars: dict[str, str] = {}
        self.heard: dict[str, list[bytes]] = {}
        self.counts: Counter[str] = Counter()
        self._lines: dict[tuple[str, str, str], float] = {}
        self._free: dict[tuple[str, str, str], float] = {}

    def calm(self) -> None:
        """Nothing is wrong any more."""
        self.loss = self.repeat = 0.0
        self.cuts.clear()
        self.slow.clear()
        self.liars.clear()

    def client(self, life: Alive, peer: str, directory: Callable[[], Any]) -> PeerClient:
        """The shipped client, whose bytes come this way."""
        return _Client(self, life, peer, directory)

    # -- one call ------------------------------------------------------------------------------------------------------------

    async def call(
        self, life: Alive, dst: str, connection: str, method: str, target: str, data: Any, headers: Mapping[str, Any]
    ) -> Answer:
        """Carry one request and its answer. Raises what aiohttp raises when the network fails."""
        src = life.name
        life.at("S3", BEFORE)
        await self._travel(src, dst)
        if (src, dst) in self.cuts or self._lives.get(dst) is None:
            await asyncio.sleep(TIMEOUT * self._rng.random())
            raise aiohttp.ClientConnectionError
        life.at("S3", AFTER)
        request = incoming(src, method, target, headers)
        life.at("S4", BEFORE)
        task = await self._send(life, dst, connection, request, data)
        life.at("S4", AFTER)
        life.at("S6", BEFORE)
        answer = await self._answer(task, src, dst, connection, target)
        if life.dead:
            life.at("S6", AFTER)
        life.at("S6", AFTER)
        return answer

    async def _send(self, life: Alive, dst: str, connection: str, request: Incoming, data: Any) -> asyncio.Task[Answer]:
        """The body, whole or piece by piece; the task that answers."""
        if data is None or isinstance(data, bytes):
            body = self._bend(life.name, request.target, data or b"")
            await self._line(life.name, dst, connection, len(body))
            self._lose("lost request")
            if data is not None:
                request.headers["Content-Length"] = str(len(body))
            self._feed(request, body)
            self._repeat(dst, request, body)
            return self._served(dst, request)
        task = self._served(dst, request)
        try:
            await self._pieces(life, dst, connection, request, data, task)
        except aiohttp.ClientError:
            request.body.set_exception(ConnectionResetError())
            raise
        return task

    async def _pieces(
        self, life: Alive, dst: str, connection: str, request: Incoming, data: AsyncIterator[bytes], task: asyncio.Task[Answer]
    ) -> None:
        async for chunk in data:
            for at in range(0, len(chunk), _PIECE):
                if task.done():
                    return
                life.at("S5", BEFORE)
                await self._line(life.name, dst, connection, _PIECE)
                self._lose("cut upload")
                request.body.feed_data(self._bend(life.name, request.target, chunk[at : at + _PIECE]))
                life.at("S5", AFTER)
        request.body.feed_eof()

    async def _answer(self, task: asyncio.Task[Answer], src: str, dst: str, connection: str, target: str) -> Answer:
        try:
            answer = await asyncio.shield(task)
        except BaseException:
            if task.done():
                raise aiohttp.ServerDisconnectedError from None  # the node died, or is closing
            raise
        await self._line(dst, src, connection, len(answer.body))
        if (dst, src) in self.cuts:
            self.counts["lost answer"] += 1
            raise aiohttp.ServerDisconnectedError
        self._lose("lost answer")
        answer = await self._lie(dst, target, answer)
        self.heard.setdefault(target.partition("?")[0], []).append(answer.body)
        return answer

    def _served(self, dst: str, request: Incoming) -> asyncio.Task[Answer]:
        life = self._lives.get(dst)
        if life is None or life.dead:
            raise aiohttp.ClientConnectionError
        return life.serve(request)

    def _feed(self, request: Incoming, body: bytes) -> None:
        if body:
            request.body.feed_data(body)
        request.body.feed_eof()

    # -- what goes wrong -----------------------------------------------------------------------------------------------------

    def _lose(self, what: str) -> None:
        if self.loss and self._rng.random() < self.loss:
            self.counts[what] += 1
            raise aiohttp.ServerDisconnectedError

    def _repeat(self, dst: str, request: Incoming, body: bytes) -> None:
        """The same request once more, some time later, as a sender does that got no answer."""
        if not self.repeat or request.method != "POST" or self._rng.random() >= self.repeat:
            return
        again = incoming(request.peer, request.method, request.target, request.headers)
        self._feed(again, body)
        self.counts["repeated"] += 1

        def deliver() -> None:
            life = self._lives.get(dst)
            if life is not None and not life.dead:
                life.serve(again)

        asyncio.get_running_loop().call_later(self._rng.random() * 3, deliver)

    async def _travel(self, src: str, dst: str) -> None:
        delay = self.latency * (0.5 + self._rng.random())
        if src in self.slow or dst in self.slow:
            self.counts["slow"] += 1
            delay += self._rng.random() * 20
        await asyncio.sleep(delay)

    async def _line(self, src: str, dst: str, connection: str, size: int) -> None:
        """A connection carries one thing after another; two connections do not wait for each other."""
        if not self.rate:
            await self._travel(src, dst)
            return
        loop = asyncio.get_running_loop()
        key = src, dst, connection
        start = max(loop.time(), self._free.get(key, 0.0))
        self._free[key] = end = start + size / self.rate
        await asyncio.sleep(end - loop.time())
        await self._travel(src, dst)

    # -- lies ----------------------------------------------------------------------------------------------------------------

    def _bend(self, who: str, target: str, body: bytes) -> bytes:
        lie = self.liars.get(who)
        if not body or lie not in ("flip", "cut", "replay") or self._rng.random() < 0.3:
            return body
        self.counts[f"lie {lie}"] += 1
        if lie == "flip":
            at = self._rng.randrange(len(body))
            return body[:at] + bytes((body[at] ^ 1 << self._rng.randrange(8),)) + body[at + 1 :]
        if lie == "cut":
            return body[: self._rng.randrange(len(body))]
        earlier = self.heard.get(f"{who}>{target}", [])
        earlier.append(body)
        return self._rng.choice(earlier)

    async def _lie(self, who: str, target: str, answer: Answer) -> Answer:
        lie = self.liars.get(who)
        if lie is None or self._rng.random() < 0.3:
            return answer
        self.counts[f"lie {lie}"] += 1
        if lie in ("flip", "cut"):
            return Answer(answer.status, answer.headers, self._bend(who, target, answer.body))
        if lie == "stall":
            await asyncio.sleep(400)
        elif lie == "status":
            status = self._rng.choice((409, 409, 422, 429, 500, 503, 404, 301))
            size = self._rng.choice((0, 1, 3, 10, 10**6))
            body = b'{"code":"HEAD-UNLINKED","size":%d}' % size
            return Answer(status, {"Content-Type": "application/problem+json", "Retry-After": "7"}, body)
        elif lie in ("swap", "replay"):
            return Answer(200, answer.headers, self._rng.choice(self.heard.get(target.partition("?")[0], [answer.body])))
        return answer


class _Client(PeerClient):
    """The shipped client without its sockets."""

    def __init__(self, network: Network, life: Alive, peer: str, directory: Callable[[], Any]) -> None:
        super().__init__(peer, directory, dict, lambda: None)  # type: ignore[arg-type, return-value]
        self._network, self._life = network, life

    async def _exchange(
        self, connection: str, method: str, target: str, *, take: Callable[[bytes], None] | None = None, **request: Any
    ) -> bytes:
        self._address()
        answer = await self._network.call(
            self._life, self.peer, connection, method, target, request.get("data"), request.get("headers") or {}
        )
        if answer.status not in (200, 204):
            raise peerclient._refusal(answer, answer.body)  # type: ignore[arg-type]
        if take is not None:
            take(answer.body)
            return b""
        return answer.body
