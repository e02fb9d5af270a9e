"""What has to happen by itself: expiry every few seconds, the directory every hour or when a peer has a newer one, prekeys every day."""

from __future__ import annotations

import asyncio
from typing import Protocol

import structlog

from exchange.exchange import Exchange
from exchange.ports import Clock
from protocol import limits
from protocol.errors import RogatoryError

_TICK = 5.0  # seconds
_DIRECTORY_EVERY = 1 * limits.HOUR
_log = structlog.get_logger("housekeeping")


class Household(Protocol):
    """What housekeeping needs of the node."""

    exchange: Exchange
    clock: Clock
    couriers: dict[str, object]

    async def update_directory(self, peer: str) -> None:
        """Fetch the directory from this peer."""
        ...

    def newer_directory_at(self) -> str | None:
        """A peer that told of a newer directory."""
        ...


async def run(node: Household) -> None:
    """Keep house until cancelled. Nothing that fails here stops the node: it is logged and tried again."""
    day = node.clock.now() // limits.DAY
    directory_at = node.clock.now()
    while True:
        await asyncio.sleep(_TICK)
        now = node.clock.now()
        try:
            while await asyncio.to_thread(node.exchange.outbox.expire):
                pass
            if now // limits.DAY != day:
                day = now // limits.DAY
                await asyncio.to_thread(node.exchange.daily)
            peer = node.newer_directory_at()
            if peer is None and now - directory_at >= _DIRECTORY_EVERY and node.couriers:
                names = sorted(node.couriers)
                peer = names[now // _DIRECTORY_EVERY % len(names)]
            if peer is not None:
                directory_at = now
                await node.update_directory(peer)
        except RogatoryError as error:
            _log.warning("housekeeping.trouble", code=error.code.code, detail=error.detail)
