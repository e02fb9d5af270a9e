"""Comparison: puts what others hold of every log, our own included, beside what we hold of it.

    every hour, of each log we dealt with    two of its witnesses: their head of it ──> the log itself: the link between theirs and ours
    every half minute, of our own log        every witness of ours: a head with our signatures that we never signed is theft

Two heads that do not belong to one history make a fork proof: kept, logged, told to the log's witnesses, and nothing more is taken from it.
A log that gives no link is not accused; that it cannot be linked is shown until it can. (SPEC.md section 5.11)
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from exchange.exchange import Exchange
from exchange.peering.witnessed import check_link
from node.witnessing.visits import look_at_own
from node.witnessing.witnesses import Witnesses
from protocol import codes
from protocol.checkpoint import Head
from protocol.errors import LocalError, RogatoryError
from protocol.heads import ForkCase, ForkProof, HeadError
from protocol.links import parse_links
from protocol.names import Origin

COMPARE: Final = 3600.0  # seconds
OWN: Final = 30.0
_FIRST: Final = 60.0  # after a start, before the first comparison
_ASKED: Final = 2  # witnesses of each log
_SUSPECT: Final = 3  # comparisons in vain, in a row, after which a log is shown as one that cannot be linked
_log = structlog.get_logger("comparison")


class Comparison:
    """``run`` in a task. ``stolen`` is told when a head of ours shows up that we never signed."""

    def __init__(self, exchange: Exchange, witnesses: Witnesses, stolen: Callable[[LocalError], None]) -> None:
        self._exchange, self._witnesses, self._stolen = exchange, witnesses, stolen
        self._turn = 0
        self._vain: dict[str, int] = {}
        self.compared: dict[str, int] = {}
        exchange.forks.on_fork, exchange.forks.unlinked = self._forked, self.unlinked
        self._loop: asyncio.AbstractEventLoop | None = None
        self._untold: asyncio.Queue[str] = asyncio.Queue()

    def unlinked(self) -> list[str]:
        """The logs that have given no link to what their witnesses show, several times in a row."""
        return sorted(origin for origin, count in self._vain.items() if count >= _SUSPECT)

    async def run(self) -> None:
        """Compare, watch our own origin, and tell of forks, until cancelled."""
        self._loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._every(OWN, self.watch_own, first=0.0))
            tasks.create_task(self._every(COMPARE, self.compare, first=_FIRST))
            tasks.create_task(self._tell())

    async def _every(self, seconds: float, work: Callable[[], Awaitable[None]], first: float) -> None:
        await asyncio.sleep(first)
        while True:
            try:
                await work()
            except RogatoryError as error:
                _log.warning("comparison.trouble", code=error.code.code, detail=error.detail)
            except Exception:  # noqa: BLE001 - a mistake here is logged; what is carried meanwhile must go on
                _log.exception("comparison.fault")
            await asyncio.sleep(seconds)

    async def watch_own(self) -> None:
        """Ask every witness of ours for the head of our log that it has. Raises LOG-STOPPED for one that we never signed."""
        log = self._exchange.log
        if log.size and not log.stopped and log.hold is None:
            await look_at_own(self._exchange, self._witnesses, None, self._stolen)

    async def compare(self) -> None:
        """One round over every log we dealt with. What happens with one touches no other."""
        self._turn += 1
        for origin in await asyncio.to_thread(self._exchange.peers.origins):
            try:
                await self._compare(origin)
            except RogatoryError as error:
                _log.warning("comparison.trouble", peer=Origin.parse(origin).authority, code=error.code.code)

    async def _compare(self, origin: str) -> None:
        authority = Origin.parse(origin).authority
        named = sorted(name for name in self._witnesses.named(origin) if name != self._exchange.us)
        start = self._turn * _ASKED % max(len(named), 1)
        among = tuple((named + named)[start : start + _ASKED])
        for shown in await self._witnesses.heads_of(origin, among):
            if shown.note is not None:
                await self._beside(authority, origin, shown.note)
        self.compared[origin] = self._exchange.clock.now()

    async def _beside(self, authority: str, origin: str, note: bytes) -> None:
        """Put a witness's note of this log beside our own record. A note that its log did not sign says nothing."""
        peers = self._exchange.peers
        theirs = await asyncio.to_thread(peers.verify, authority, note)
        record = await asyncio.to_thread(peers.record, origin)
        if record is None or any((known.size, known.root) == (theirs.size, theirs.root) for known in record.confirmed):
            self._vain.pop(origin, None)
            return
        ours = record.greatest
        older, newer = sorted((ours, theirs), key=lambda head: head.size)
        try:
            await self._link(authority, older, newer)
        except HeadError as error:
            if error.fork is not None:
                await asyncio.to_thread(self._exchange.forks.keep, error.fork)
            raise
        except RogatoryError:
            self._vain[origin] = self._vain.get(origin, 0) + 1
            raise
        self._vain.pop(origin, None)

    async def _link(self, authority: str, older: Head, newer: Head) -> None:
        """Raises HEAD-FORKED with the proof, LINK-FORM, PROOF-CONSISTENCY, PEER-*: then the log has not shown that both are one."""
        if older.size == newer.size:
            fork = ForkProof(ForkCase.SIZES, older.note, newer.note)
            raise HeadError(codes.HEAD_FORKED, f"two roots at size {older.size}", greatest=older.size, fork=fork)
        n = Origin.parse(older.origin).n
        answer = await self._witnesses.client(authority).links(n, newer.size, [older.size])
        check_link(older.note, newer.note, parse_links(answer, 1)[0])

    # -- telling ---------------------------------------------------------------------------------------------------------------

    def _forked(self, origin: str) -> None:
        """A log was newly seen to fork. From any thread."""
        _log.error("fork", origin=origin)
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._untold.put_nowait, origin)

    async def _tell(self) -> None:
        """Tell the witnesses of a log that forked, each once; whoever is not reached hears of it by the next comparison."""
        while True:
            origin = await self._untold.get()
            proof = (await asyncio.to_thread(self._exchange.peers.forks)).get(origin)
            for name in self._witnesses.named(origin) if proof is not None else ():
                if name != self._exchange.us and proof is not None:
                    try:
                        await self._witnesses.client(name).fork(proof)
                    except RogatoryError as error:
                        _log.info("fork.untold", peer=name, code=error.code.code)
