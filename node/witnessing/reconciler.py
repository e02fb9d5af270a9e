"""The reconciler: holds the log until this data was found to be the newest, and again when the clocks say that the machine was put back.

    start ──> ask the witnesses, in parallel, with little patience ──> go on | alone | hold
    alone, hold ──> ask again and again; the first good answer opens the log by itself
    a jump of the wall clock against the monotonic clock ──> the log holds itself before its next signature ──> ask

What the answers mean is judged in ``exchange.reconcile``.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

from exchange import codes as exchange_codes
from exchange.exchange import Exchange
from exchange.guard import Standing
from exchange.reconcile import Asked, Finding, Verdict, judge, on_other_hardware, read_head
from keys.directory.view import Directory
from keys.suite import SUITE
from node.clock import SystemClock
from node.witnessing.witnesses import Witnesses
from protocol.checkpoint import Head
from protocol.errors import RogatoryError

PATIENCE: Final = 1.5  # seconds at a start; who is not there refuses the connection at once
GRACE: Final = 0.2  # seconds for the others, once one has answered
_PATIENCE_LATER: Final = 8.0
_EVERY: Final = 2.0  # seconds between two rounds while the log is held
_TICK: Final = 0.25
_log = structlog.get_logger("reconcile")


class Reconciler:
    """``begun``: entries may be appended (open, or alone). ``opened``: signed as well, at least once. ``finding``: of the last round."""

    def __init__(
        self, exchange: Exchange, witnesses: Witnesses, directory: Callable[[], Directory], guard: Path, clock: SystemClock
    ) -> None:
        self._exchange, self._witnesses, self._directory = exchange, witnesses, directory
        self._elsewhere = on_other_hardware(guard, exchange.store.folder)
        self._clock = clock
        self._jumps = clock.jumps()
        self.begun, self.opened = asyncio.Event(), asyncio.Event()
        self.finding = Finding(Verdict.HOLD, exchange_codes.LOG_UNSURE)
        self._called = asyncio.Event()
        exchange.log.steady = self._steady

    def _steady(self) -> bool:
        """Whether the clocks run on together since they were last reconciled with the witnesses (GUARD-3)."""
        return self._clock.jumps() == self._jumps

    async def first(self) -> Finding:
        """The round of the start. Raises what keeps the log from being begun."""
        return await self._round(PATIENCE)

    async def run(self) -> None:
        """Look until cancelled; ask while the log is held."""
        while True:
            await asyncio.sleep(_TICK)
            if self._exchange.log.hold is not None and self.begun.is_set():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_EVERY):
                        await self._called.wait()
            if self._exchange.log.hold is None and self._steady():
                self.opened.set()  # also by the hand of an operator
                continue
            try:
                await self._round(_PATIENCE_LATER)
            except RogatoryError as error:
                _log.error("reconcile.trouble", code=error.code.code, detail=error.detail)
                await asyncio.sleep(_EVERY)

    def called(self) -> None:
        """An authority has called: when no witness was there, one may be now. From the loop's thread."""
        if self.finding.verdict is Verdict.ALONE:
            self._called.set()

    async def _round(self, patience: float) -> Finding:
        """Ask, judge, and do what was found."""
        log, jumps = self._exchange.log, self._clock.jumps()
        self._called.clear()
        if log.hold is None:
            log.keep_held(exchange_codes.LOG_UNSURE, takes=True)
        finding = judge(log, await self._ask(patience), elsewhere=self._elsewhere)
        if finding != self.finding:
            _log.info("reconcile", outcome=finding.verdict, code=finding.code.code if finding.code else "", detail=finding.detail)
        self.finding = finding
        self._jumps = jumps
        match finding.verdict:
            case Verdict.GO:
                await self._open()
            case Verdict.ALONE if finding.code is not None:
                self._exchange.take_in(finding.code)
                await self._begin()
            case _:
                log.keep_held(finding.code or exchange_codes.LOG_UNSURE, takes=False)
        return finding

    async def _open(self) -> None:
        await asyncio.to_thread(self._exchange.release)
        await self._begin()
        self.opened.set()

    async def _begin(self) -> None:
        if not self.begun.is_set():
            await asyncio.to_thread(self._exchange.begin)
            self.begun.set()

    async def _ask(self, patience: float) -> Asked:
        """What the witnesses show, gathered until all have answered, patience ends, or one has answered and grace is over."""
        log = self._exchange.log
        record = self._directory().log(log.origin)
        names = [name for name in record.witnesses or self._others() if name != log.authority]
        shown: dict[str, Head | None] = {}
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience) as limit, asyncio.TaskGroup() as tasks:
                for name in names:
                    tasks.create_task(self._look(name, shown, limit))
        return Asked(len(names), record.quorum or len(names), shown)

    def _others(self) -> list[str]:
        """Who is asked about a log that has no witnesses: everybody, and a quorum of them is all."""
        return [member.authority for member in self._directory().members.values() if member.active and member.address]

    async def _look(self, name: str, shown: dict[str, Head | None], limit: asyncio.Timeout) -> None:
        log, loop = self._exchange.log, asyncio.get_running_loop()
        answer = await self._witnesses.look(name, log.origin)
        if answer is not None:
            shown[name] = await asyncio.to_thread(read_head, answer.note, log.keys, SUITE)
            if log.standing in (Standing.ON, Standing.NEW):
                limit.reschedule(min(limit.when() or loop.time(), loop.time() + GRACE))
