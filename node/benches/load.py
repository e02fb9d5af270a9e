"""Load inside the sender's process: seals and submits so that a number of messages is always in flight, and counts receipts."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import Future
from contextlib import asynccontextmanager
from typing import Final

from exchange.notice import Notice
from exchange.outgoing.outbox import Submission
from exchange.outgoing.sealing import Draft
from node.node import Node
from protocol import limits
from protocol.delivery import State
from protocol.entries import Lane
from protocol.names import Office

BODY: Final = 4096  # bytes, each message its own


class Load:
    """Keeps ``in_flight`` messages of a lane to one authority without a receipt while it runs, beside those that were queued ``before``.

    ``receipts``: how many came since; ``largest``: how many at once, with one pouch.
    """

    def __init__(
        self, node: Node, to: str, in_flight: int, lane: Lane = Lane.ROUTINE, body: int = BODY, before: int = 0
    ) -> None:
        self.receipts = 0
        self.largest = 0
        self._submitted = 0
        self._node = node
        self._to = (Office(to, "247"),)
        self._lane = lane
        self._body = body
        self._before = before
        self._running = True
        self._room = threading.Semaphore(in_flight)
        self._first = threading.Event()
        self._tell = node.exchange.answers.on_settled
        node.exchange.answers.on_settled = self._receipt

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """While this context is open, messages are made on a thread of their own."""
        feeding = threading.Thread(target=self._feed, daemon=True)
        feeding.start()
        try:
            yield
        finally:
            self._running = False
            self._room.release()
            await asyncio.to_thread(feeding.join)

    async def warmed_up(self, seconds: float) -> None:
        """So many seconds, and at least until receipts come: a machine that is busy with other work starts late."""
        await asyncio.sleep(seconds)
        await asyncio.to_thread(self._first.wait)

    @property
    def queued(self) -> int:
        """Messages that are committed here, those that lay in the queue ``before`` included, and have no receipt yet."""
        return self._before + self._submitted - self.receipts

    def _receipt(self, told: Sequence[Notice]) -> None:
        ours = [each for each in told if each.lane is self._lane]
        self.receipts += sum(each.state is State.DELIVERED for each in ours)
        self.largest = max(self.largest, len(ours))
        self._tell(told)
        if ours:
            self._first.set()
            self._room.release(len(ours))

    def _feed(self) -> None:
        outbox, clock = self._node.exchange.outbox, self._node.clock
        while self._running:
            self._room.acquire()
            draft = Draft("247", self._to, "EE_PRESERVE", os.urandom(self._body), clock.now() + limits.DAY, self._lane)
            outbox.submit(outbox.seal(draft)).add_done_callback(self._committed)

    def _committed(self, done: Future[Submission]) -> None:
        if done.exception() is None:
            self._submitted += 1  # on the writer's thread alone
