"""What has to happen by itself.

Expiry and the warnings before it every few seconds; drafts that lapse every hour; prekeys and a directory entry every day; the directory
every hour or when told; and a watch for what somebody must look at.

The directory has a loop of its own: a peer that sends it drop by drop must not hold up the rest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import structlog

from exchange.exchange import Exchange
from exchange.ports import Clock
from protocol import limits
from protocol.errors import RogatoryError

_TICK = 5.0  # seconds
_DIRECTORY_EVERY = 1 * limits.HOUR
_TOLD_EVERY = 1 * limits.MINUTE  # a peer that tells of versions that it does not have is not asked more often
_log = structlog.get_logger("housekeeping")


class Household(Protocol):
    """What housekeeping needs of the node."""

    @property
    def exchange(self) -> Exchange:
        """The exchange."""
        ...

    @property
    def clock(self) -> Clock:
        """The exchange's clock."""
        ...

    def peers(self) -> Sequence[str]:
        """Who can be asked for the directory."""
        ...

    def newer_directory_at(self) -> str | None:
        """A peer that told of a newer directory, once."""
        ...

    def lapse_drafts(self) -> int:
        """Destroy drafts whose time to live has ended; how many."""
        ...

    def watch(self) -> None:
        """Raise an alarm for what somebody must look at."""
        ...

    async def refresh_directory(self) -> None:
        """Take a newer one that was put into the home beside the node."""
        ...

    async def update_directory(self, peer: str) -> None:
        """Fetch the directory from this peer."""
        ...


async def run(node: Household, *, tick: float = _TICK) -> None:
    """Keep house until cancelled. Nothing that fails here stops the node: it is logged and tried again."""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_every(tick, Chores(node).do))
        tasks.create_task(_every(tick, DirectoryWatch(node).look))
        tasks.create_task(_every(tick, lambda: asyncio.to_thread(node.watch)))


async def _every(seconds: float, work: Callable[[], Awaitable[None]]) -> None:
    while True:
        await asyncio.sleep(seconds)
        try:
            await work()
        except RogatoryError as error:
            _log.warning("housekeeping.trouble", code=error.code.code, detail=error.detail)
        except Exception:  # noqa: BLE001 - a mistake here is logged; what is carried meanwhile must go on
            _log.exception("housekeeping.fault")


class Chores:
    """Expiry, and the work of the hour and of the day."""

    def __init__(self, node: Household) -> None:
        self._node = node
        self._day = node.clock.now() // limits.DAY
        self._hour = node.clock.now() // limits.HOUR

    async def do(self) -> None:
        """Whatever is due now."""
        node, now = self._node, self._node.clock.now()
        today, hour = now // limits.DAY, now // limits.HOUR
        while await asyncio.to_thread(node.exchange.deadletters.expire):
            pass
        await asyncio.to_thread(node.exchange.deadlines.look)
        if today != self._day:
            await asyncio.to_thread(node.exchange.daily)
            self._day = today
        if hour != self._hour:
            await asyncio.to_thread(node.lapse_drafts)
            self._hour = hour


class DirectoryWatch:
    """When to look for a newer directory, and where: at whoever told of one, else every hour at the next peer in turn."""

    def __init__(self, node: Household) -> None:
        self._node = node
        self._looked = node.clock.now() - _TOLD_EVERY
        self._turn = 0

    async def look(self) -> None:
        """Look, if it is time. Raises what ``update_directory`` raises; then the next peer has its turn."""
        await self._node.refresh_directory()
        now = self._node.clock.now()
        peer = self._node.newer_directory_at() if now - self._looked >= _TOLD_EVERY else None
        peers = sorted(self._node.peers())
        if peer is None and peers and now - self._looked >= _DIRECTORY_EVERY:
            peer = peers[self._turn % len(peers)]
            self._turn += 1
        if peer is not None:
            self._looked = now
            await self._node.update_directory(peer)
