"""Visits: carries the head of our log to its witnesses, soon after it has moved and every hour at rest, and gathers their lines.

    log moved ──> one round: the same head to every witness, all at once ──> quorum: kept, and told to peers with the next pouch
    not reached, or refused ──> tried again, twice as long after each failure, up to a minute
    409 or 422 ──> what does it show of our log? A head that bears our signatures and is not ours is theft: signing stops

Nothing waits for a visit. A quorum is one of lines under the same head: when a pouch has carried a newer head to a witness meanwhile, the
round begins again with that one. (SPEC.md section 5.9)
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import structlog

from exchange.exchange import Exchange
from node.carrying.peerclient import PeerRefusedError
from node.witnessing.witnesses import Witnesses
from protocol import codes
from protocol.checkpoint import Head
from protocol.errors import LocalError, PassingError, RogatoryError

PACE: Final = 5.0  # seconds at least between two rounds of a log that moves: it has its quorum within a minute of moving
REST: Final = 3600.0  # seconds between two rounds of a log that does not
TICK: Final = 0.5
_LONGEST: Final = 60.0  # seconds between two tries
_TRIES: Final = 3  # links offered in one visit
_CALL: Final = 20.0  # seconds for one visit
_log = structlog.get_logger("visits")


@dataclass
class Standing:
    """Where one witness stands. ``there``: the size it has confirmed; ``signed``: that it last signed; ``code``: why not the newest."""

    there: int = 0
    signed: int = 0
    code: str = ""
    failures: int = 0
    not_before: float = 0.0
    busy: bool = False


class Visits:
    """``run`` in a task. ``stolen`` is told when a witness shows a head of ours that we never signed."""

    def __init__(self, exchange: Exchange, witnesses: Witnesses, stolen: Callable[[LocalError], None]) -> None:
        self._exchange, self._witnesses, self._stolen = exchange, witnesses, stolen
        self.standings: dict[str, Standing] = {}
        exchange.heads.pending = lambda: {name: each.code for name, each in self.pending().items()}
        self._round: Head | None = None
        self._began = -REST

    def pending(self) -> dict[str, Standing]:
        """The witnesses whose line under the newest round's head is missing."""
        size = 0 if self._round is None else self._round.size
        return {name: each for name, each in self.standings.items() if each.signed < size}

    def hasten(self, witness: str) -> None:
        """It has called: it is there."""
        standing = self.standings.get(witness)
        if standing is not None:
            standing.not_before = 0.0

    async def run(self) -> None:
        """Visit until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                for name in self._due():
                    self.standings[name].busy = True
                    tasks.create_task(self._visit(name), name=f"visit {name}")
                await asyncio.sleep(TICK)

    def _due(self) -> list[str]:
        """Whom to visit now; begins a new round when it is time."""
        log, now = self._exchange.log, asyncio.get_running_loop().time()
        try:
            head = log.head()
        except RogatoryError:
            return []  # nothing is signed now, and so nothing is shown
        self._follow(log.origin)
        moved = self._round is None or head.origin != self._round.origin or head.size > self._round.size
        if now - self._began >= (PACE if moved else REST):
            self._begin(head, now)
        size = 0 if self._round is None else self._round.size
        return [name for name, each in self.standings.items() if not each.busy and each.signed < size and each.not_before <= now]

    def _begin(self, head: Head, now: float) -> None:
        if self._round is not None and (self._round.origin, self._round.size) == (head.origin, head.size):
            for standing in self.standings.values():
                standing.signed = 0  # at rest: the same head again, at a later time
        self._round, self._began = head, now

    def _follow(self, origin: str) -> None:
        """The witnesses that the directory names now."""
        named = [name for name in self._witnesses.named(origin) if name != self._exchange.us]
        if self._round is not None and self._round.origin != origin:
            self.standings.clear()
        self.standings = {name: self.standings.get(name, Standing()) for name in named}

    async def _visit(self, name: str) -> None:
        standing, head = self.standings[name], self._round
        assert head is not None
        try:
            async with asyncio.timeout(_CALL):
                await self._show(name, standing, head)
            standing.failures, standing.code = 0, ""
        except (RogatoryError, TimeoutError) as error:
            standing.code = error.code.code if isinstance(error, RogatoryError) else "PEER-TIME"
            wait = min(2.0**standing.failures, _LONGEST)
            standing.not_before = asyncio.get_running_loop().time() + wait
            standing.failures = min(standing.failures + 1, 16)
            _log.info("visit.trouble", peer=name, code=standing.code)
        finally:
            standing.busy = False

    async def _show(self, name: str, standing: Standing, head: Head) -> None:
        heads, client = self._exchange.heads, self._witnesses.client(name)
        for _ in range(_TRIES):
            request = await asyncio.to_thread(heads.request, head, min(standing.there, head.size))
            try:
                lines = await client.add_checkpoint(request)
            except PeerRefusedError as error:
                if error.status in (HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY):
                    await self._look(name, error)
                if error.status != HTTPStatus.CONFLICT or error.size is None:
                    raise
                standing.there = error.size
                if error.size > head.size:  # a pouch was faster: the newest head, for all of them
                    head = self._exchange.log.head()
                    self._begin(head, asyncio.get_running_loop().time())
                continue
            self._exchange.links.shown(name, head.size)
            await asyncio.to_thread(lambda head, lines: heads.take_lines(name, head, lines).result(), head, lines)
            standing.there = standing.signed = head.size
            return
        raise PassingError(codes.HEAD_UNLINKED, name)

    async def _look(self, name: str, error: PeerRefusedError) -> None:
        """Fetch the head that a witness has of our log. A 409 with a size that we have is everyday: what is wrong there gives 422 next."""
        if error.status == HTTPStatus.CONFLICT and (error.size or 0) <= self._exchange.log.size:
            return
        await look_at_own(self._exchange, self._witnesses, (name,), self._stolen)


async def look_at_own(
    exchange: Exchange, witnesses: Witnesses, among: tuple[str, ...] | None, stolen: Callable[[LocalError], None]
) -> int:
    """Ask witnesses for the head of our log that each has; how many showed one. ``stolen`` is told of one that we never signed."""
    shown = [each.note for each in await witnesses.heads_of(exchange.log.origin, among) if each.note is not None]
    for note in shown:
        try:
            await asyncio.to_thread(exchange.contact.shown_own_head, note)
        except LocalError as error:
            stolen(error)
            raise
    return len(shown)
