"""Shows every peer the log that was opened ahead of the directory, at once: what they hold receipts for and we lost they offer again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

import structlog

from exchange.exchange import Exchange
from node.carrying.peerclient import PeerRefusedError
from node.witnessing.witnesses import Witnesses
from protocol.entries import Lane
from protocol.errors import RogatoryError

_EVERY: Final = 15.0  # seconds until those who were away are tried again
_log = structlog.get_logger("announce")


async def announce(exchange: Exchange, clients: Witnesses, peers: Sequence[str]) -> None:
    """Until everybody has seen it, or the directory lists it. Ends at once where there is nothing to show."""
    waiting = set(peers)
    while waiting:
        for peer in sorted(waiting):
            if await _show(exchange, clients, peer):
                waiting.discard(peer)
        if waiting:
            await asyncio.sleep(_EVERY)


async def _show(exchange: Exchange, clients: Witnesses, peer: str) -> bool:
    """Whether this peer needs nothing more."""
    try:
        frame = await asyncio.to_thread(exchange.outbox.greeting, peer)
        if frame is None:
            return True
        await clients.client(peer).pouch(Lane.ROUTINE, frame)
    except PeerRefusedError as error:
        return error.status == HTTPStatus.CONFLICT  # it has seen more of this log already
    except RogatoryError:
        return False
    _log.info("log.shown", peer=peer, origin=exchange.log.origin)
    return True
