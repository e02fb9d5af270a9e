"""The gate of one lane on the peers' port: how much of this node each peer gets, decided before a pouch is read.

    headers ─> admit: the peer's pouches, all bodies, its bucket ─> body ─> a place at work ─> judged
               429 with Retry-After                                         the fullest bucket goes first

A peer's bucket is filled at a rate that it has whatever others do. Who takes more gets what nobody else wants: it comes after all who
are within theirs, is sent away when one of them has to wait, and when the disk is no longer far from its reserve. Urgent and routine
have gates of their own, so that neither waits for the other.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Final

from exchange import codes
from node.clock import monotonic_ms
from protocol import limits
from protocol.bucket import Bucket
from protocol.entries import Lane
from protocol.errors import PassingError

_KEPT: Final = 1024  # buckets beyond which those that are full are forgotten


@dataclass(frozen=True, slots=True)
class Share:
    """What a lane gives: bytes a second and at once to each peer; pouches at work in all and of one peer."""

    rate: int
    burst: int
    working: int = limits.WORKING
    working_per_peer: int = limits.WORKING_PER_PEER


SHARES: Final = {
    Lane.URGENT: Share(limits.URGENT_RATE, limits.URGENT_BURST),
    Lane.ROUTINE: Share(limits.ROUTINE_RATE, limits.ROUTINE_BURST),
}


@dataclass(eq=False)
class _Waiting:
    peer: str
    bell: asyncio.Event = field(default_factory=asyncio.Event)


class Gate:
    """One lane. ``tight``: whether the disk has room for shares only. All from the loop's thread."""

    def __init__(self, share: Share, tight: Callable[[], bool]) -> None:
        self._share, self._tight = share, tight
        self._buckets: dict[str, Bucket] = {}
        self._here: Counter[str] = Counter()
        self._working: Counter[str] = Counter()
        self._waiting: list[_Waiting] = []
        self._bodies = 0

    @contextlib.asynccontextmanager
    async def admit(self, peer: str, length: int) -> AsyncIterator[None]:
        """Let a pouch of so many bytes be read. Raises PEER-QUOTA (passing) when this peer must wait."""
        now = monotonic_ms()
        bucket = self._bucket(peer, now)
        if self._here[peer] >= limits.POUCHES_PER_PEER:
            raise PassingError(codes.PEER_QUOTA, f"{limits.POUCHES_PER_PEER} pouches at once", seconds=1)
        if self._bodies + length > limits.BODIES:
            raise PassingError(codes.PEER_QUOTA, "too many pouches of all", seconds=1)
        debt = -bucket.level(now)
        if debt > 0 and self._tight():
            raise PassingError(codes.PEER_QUOTA, "the disk is for shares", seconds=max(1, round(debt / self._share.rate)))
        if debt > 0 and any(each.peer != peer and self._buckets[each.peer].level(now) >= 0 for each in self._waiting):
            raise PassingError(codes.PEER_QUOTA, "others have to wait", seconds=1)
        bucket.take(limits.POUCH_COST + length, now)
        self._here[peer] += 1
        self._bodies += length
        try:
            yield
        finally:
            self._bodies -= length
            _less(self._here, peer)

    @contextlib.asynccontextmanager
    async def work(self, peer: str) -> AsyncIterator[None]:
        """A place at work, for a pouch that was admitted and read."""
        me = _Waiting(peer)
        self._waiting.append(me)
        self._call()
        try:
            await me.bell.wait()
        except BaseException:
            if me.bell.is_set():
                self._leave(peer)
            else:
                self._waiting.remove(me)
            raise
        try:
            yield
        finally:
            self._leave(peer)

    def _leave(self, peer: str) -> None:
        _less(self._working, peer)
        self._call()

    def _call(self) -> None:
        """Give free places to whoever waits with the fullest bucket; among equals to the one who came first."""
        now = monotonic_ms()
        while self._waiting and self._working.total() < self._share.working:
            able = [each for each in self._waiting if self._working[each.peer] < self._share.working_per_peer]
            if not able:
                return
            first = max(able, key=lambda each: self._buckets[each.peer].level(now))
            self._waiting.remove(first)
            self._working[first.peer] += 1
            first.bell.set()

    def _bucket(self, peer: str, now: int) -> Bucket:
        bucket = self._buckets.get(peer)
        if bucket is None:
            if len(self._buckets) >= _KEPT:
                self._buckets = {name: b for name, b in self._buckets.items() if self._here[name] or not b.full(now)}
            bucket = self._buckets[peer] = Bucket(self._share.rate, self._share.burst, now)
        return bucket


class Questions:
    """How often a peer may ask for what costs little: prekeys, heads, files of the directory."""

    def __init__(self) -> None:
        self._buckets: dict[str, Bucket] = {}

    def demand(self, peer: str) -> None:
        """One more. Raises PEER-QUOTA (passing)."""
        now = monotonic_ms()
        bucket = self._buckets.get(peer)
        if bucket is None:
            bucket = self._buckets[peer] = Bucket(limits.QUESTIONS_RATE, limits.QUESTIONS_BURST, now)
        if seconds := bucket.ask(1, now):
            raise PassingError(codes.PEER_QUOTA, f"{limits.QUESTIONS_RATE} questions a second", seconds=seconds)


def _less(counter: Counter[str], peer: str) -> None:
    counter[peer] -= 1
    if counter[peer] <= 0:
        del counter[peer]
