"""The collector: gets from one peer what waits for us there, because nobody can call us. One long call per lane, always open.

    prekeys   brought at the start, when they change, and again after trouble
    lanes     collect ─ pouch ─> the checks of the inbox ─ answer ─> collect ...
    parts     what pouches left wanting is fetched, resumed where it ended, also after a restart

(SPEC.md section 3.10)
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

import structlog

from exchange.exchange import Exchange
from node.carrying.peerclient import PeerClient, PeerRefusedError
from node.peerport.peerserver import refusal_of
from protocol import codes, limits, pouch
from protocol.collect import Collect, Refusal, encode_collect, pouch_id
from protocol.entries import Lane
from protocol.errors import PassingError, ProtocolError, RogatoryError

PREKEYS_EVERY: Final = 60.0  # seconds: whether they have changed
_AGAIN: Final = 10  # times that a set is brought: routine messages are wrapped only to one that a witnessed head holds
_PAUSE: Final = {Lane.URGENT: 15.0, Lane.ROUTINE: 60.0}  # seconds at most between two calls that fail
_RELINKS: Final = 3
_log = structlog.get_logger("collector")


class Collector:
    """Collects from one peer until cancelled. ``wait``: seconds that a call stays open."""

    def __init__(self, exchange: Exchange, client: PeerClient, *, wait: int = limits.COLLECT_WAIT) -> None:
        self.peer = client.peer
        self._exchange, self._client, self._wait = exchange, client, wait
        self._wanting = asyncio.Event()
        self._bring = asyncio.Event()
        self._brought = asyncio.Event()

    async def run(self) -> None:
        """Collect, fetch and bring."""
        self._wanting.set()
        try:
            async with asyncio.TaskGroup() as tasks:
                for lane in Lane:
                    tasks.create_task(self._run_lane(lane))
                tasks.create_task(self._run_parts())
                tasks.create_task(self._run_prekeys())
        finally:
            await self._client.close()

    # -- pouches ------------------------------------------------------------------------------------------------------------------

    async def _run_lane(self, lane: Lane) -> None:
        owed, failures = Collect(lane, self._wait), 0
        await self._brought.wait()  # else the first pouch could not be wrapped
        while True:
            try:
                frame = await self._client.collect(lane, encode_collect(owed))
            except RogatoryError as error:
                await self._pause(error, failures, _PAUSE[lane])
                failures += 1
                self._bring.set()  # whoever was away may have lost them
                continue
            failures = 0
            owed = Collect(lane, self._wait) if not frame else await self._judge(lane, frame)

    async def _judge(self, lane: Lane, frame: bytes) -> Collect:
        """Judge a pouch as the peers' port would; what its caller would have been answered goes into the next call."""
        name = pouch_id(frame)
        try:
            if pouch.peek_lane(frame) is not lane:
                raise ProtocolError(codes.POUCH_FORM, "of the other lane")
            answer = await asyncio.to_thread(self._exchange.inbox.receive, self.peer, frame)
        except RogatoryError as error:
            status, seconds, size = refusal_of(error)
            _log.warning("collected.refused", peer=self.peer, code=error.code.code, detail=error.detail)
            return Collect(lane, self._wait, name, b"", Refusal(status, error.code.code, min(seconds, limits.COLLECT_LATER), size))
        self._wanting.set()
        _log.info("collected", peer=self.peer, lane=lane.name.lower(), bytes=len(frame))
        return Collect(lane, self._wait, name, answer)

    # -- prekeys ------------------------------------------------------------------------------------------------------------------

    async def _run_prekeys(self) -> None:
        """Bring them at the start, after trouble, and when there are others; then a few times more, until a witnessed head holds them."""
        brought, failures, again = None, 0, 0
        while True:
            offer = self._exchange.shelf.published
            if offer != brought or self._bring.is_set():
                again = _AGAIN
            if again:
                again -= 1
                self._bring.clear()
                try:
                    await self._bring_prekeys()
                except RogatoryError as error:
                    self._brought.set()
                    self._bring.set()
                    await self._pause(error, failures, _PAUSE[Lane.URGENT])
                    failures += 1
                    continue
                brought, failures = offer, 0
                self._brought.set()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PREKEYS_EVERY):
                    await self._bring.wait()

    async def _bring_prekeys(self) -> None:
        exchange = self._exchange
        for _ in range(_RELINKS):
            linked = exchange.links.size(self.peer)
            frame = await asyncio.to_thread(exchange.contact.prekeys_frame, linked, exchange.directory().version)
            try:
                await self._client.bring_prekeys(frame)
            except PeerRefusedError as error:
                if error.status != HTTPStatus.CONFLICT or error.size is None or not exchange.links.hint(self.peer, error.size):
                    raise
            else:
                return
        raise PassingError(codes.HEAD_UNLINKED, f"{_RELINKS} times", seconds=5)

    # -- parts --------------------------------------------------------------------------------------------------------------------

    async def _run_parts(self) -> None:
        while True:
            await self._wanting.wait()
            self._wanting.clear()
            failures = 0
            for envelope_hash, number in await asyncio.to_thread(self._exchange.parts_in.wanted_of, self.peer):
                try:
                    await self._fetch(envelope_hash, number)
                except RogatoryError as error:
                    self._wanting.set()
                    await self._pause(error, failures, _PAUSE[Lane.ROUTINE])
                    failures += 1

    async def _fetch(self, envelope_hash: bytes, number: int) -> None:
        parts_in = self._exchange.parts_in
        held = await asyncio.to_thread(parts_in.held, self.peer, envelope_hash, number)
        upload = await asyncio.to_thread(parts_in.open, self.peer, envelope_hash, number, held)
        try:
            async for chunk in self._client.part(envelope_hash, number, held):
                if len(chunk) > upload.left:
                    raise ProtocolError(codes.PART_LENGTH, "longer than announced")
                await asyncio.to_thread(upload.write, chunk)
            if whole := not upload.left:
                await asyncio.to_thread(upload.finish)
        except ProtocolError as error:
            await asyncio.to_thread(upload.close)
            if not isinstance(error, PeerRefusedError):
                await asyncio.to_thread(parts_in.failed, envelope_hash, number, error)
            raise
        except BaseException:
            await asyncio.to_thread(upload.close)
            raise
        await asyncio.to_thread(upload.close)
        if whole:
            await asyncio.to_thread(parts_in.done, envelope_hash, number)
            _log.info("part.fetched", peer=self.peer, number=number)
        else:
            self._wanting.set()

    async def _pause(self, error: RogatoryError, failures: int, most: float) -> None:
        """Full jitter, up to a bound; never less than the peer asks for."""
        _log.warning("collector.trouble", peer=self.peer, code=error.code.code, detail=error.detail)
        asked = error.seconds if isinstance(error, PassingError) else 0
        bound = min(2.0 ** min(failures, 10), most)
        await asyncio.sleep(min(asked, most) + bound * int.from_bytes(os.urandom(2), "big") / 65_536)


class Collectors:
    """A node without an address collects from everybody who has one. ``peers``: who that is now; ``client``: calls one of them."""

    def __init__(self, exchange: Exchange, peers: Callable[[], list[str]], client: Callable[[str], PeerClient]) -> None:
        self._exchange, self._peers, self._client = exchange, peers, client
        self._running: dict[str, asyncio.Task[None]] = {}
        self._changed = asyncio.Event()

    @property
    def peers(self) -> list[str]:
        """From whom we collect now."""
        return sorted(self._running)

    def follow(self) -> None:
        """The directory has changed."""
        self._changed.set()

    async def run(self) -> None:
        """Collect until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                self._changed.clear()
                wanted = self._peers()
                for peer in self._running.keys() - set(wanted):
                    self._running.pop(peer).cancel()
                for peer in wanted:
                    if peer not in self._running:
                        collector = Collector(self._exchange, self._client(peer))
                        self._running[peer] = tasks.create_task(collector.run(), name=f"collector {peer}")
                await self._changed.wait()
