"""Grading: fetches what makes proofs *witnessed* that are only *logged*: links from the heads they were proven under to witnessed ones.

One call asks one log for up to 48 links; each serves every receipt and every submission that was proven under that head. It is done at
leisure: a proof is as good for acting before, and a day is given before anybody is alarmed. (SPEC.md section 5.10)
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Final

import structlog

from exchange.exchange import Exchange
from exchange.peering.witnessed import Wanted
from node.witnessing.witnesses import Witnesses
from protocol.errors import RogatoryError
from protocol.heads import HeadError
from protocol.names import Origin

EVERY: Final = 5.0  # seconds
ASK: Final = 60.0  # seconds between two questions for a log's greatest witnessed head
_log = structlog.get_logger("grading")


async def run(exchange: Exchange, witnesses: Witnesses) -> None:
    """Fetch links until cancelled."""
    resting: dict[str, float] = {}
    loop = asyncio.get_running_loop()
    while True:
        for peer in await asyncio.to_thread(exchange.heads.unseen):
            if loop.time() >= resting.get(peer, 0.0):
                resting[peer] = loop.time() + ASK
                await ask(exchange, witnesses, peer)
        for origin in await asyncio.to_thread(exchange.heads.unclosed):
            if loop.time() >= resting.get(origin, 0.0):
                resting[origin] = loop.time() + ASK
                await close(exchange, witnesses, origin)
        for wanted in await asyncio.to_thread(exchange.heads.wanted):
            if loop.time() >= resting.get(wanted.origin, 0.0) and not await fetch(exchange, witnesses, wanted):
                resting[wanted.origin] = loop.time() + ASK
        await asyncio.sleep(EVERY)


async def ask(exchange: Exchange, witnesses: Witnesses, peer: str) -> None:
    """Ask a log for its greatest witnessed head: it comes beside its prekeys."""
    try:
        frame = await witnesses.client(peer).prekeys(await asyncio.to_thread(exchange.peers.greatest, peer))
        await asyncio.to_thread(exchange.contact.take_prekeys, peer, frame)
    except RogatoryError as error:
        _log.info("grading.trouble", peer=peer, code=error.code.code)


async def close(exchange: Exchange, witnesses: Witnesses, origin: str) -> None:
    """Ask the authority of a closed log for its closing head: what is linked to that is as good as the directory."""
    authority = Origin.parse(origin).authority
    try:
        note = await witnesses.client(authority).checkpoint_of(origin)
        await asyncio.to_thread(exchange.contact.take_closing, authority, note)
    except RogatoryError as error:
        _log.info("grading.trouble", peer=authority, code=error.code.code)


async def fetch(exchange: Exchange, witnesses: Witnesses, wanted: Wanted) -> bool:
    """Ask a log for links and keep them; whether it gave them. Links that show a fork are kept as its proof."""
    origin = Origin.parse(wanted.origin)
    sizes = [size for _, size in wanted.notes]
    try:
        answer = await witnesses.client(origin.authority).links(origin.n, wanted.to.size, sizes)
        await asyncio.to_thread(exchange.heads.take_links, wanted, answer)
    except HeadError as error:
        if error.fork is not None:
            await asyncio.to_thread(partial(exchange.forks.keep, error.fork))
        return False
    except RogatoryError as error:
        _log.info("grading.trouble", peer=origin.authority, code=error.code.code)
        return False
    return True
