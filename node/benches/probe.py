"""Single messages with a stopwatch, inside the sender's process: from the call of submit to the receipt that is committed."""

from __future__ import annotations

import asyncio
import math
import os
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from hashlib import sha256
from typing import Final

from exchange.notice import Notice
from exchange.outgoing.sealing import Draft
from node.benches.load import BODY
from node.node import Node
from protocol import limits
from protocol.delivery import State
from protocol.entries import Lane
from protocol.names import Office

PATIENCE: Final = 120.0  # seconds for one receipt: far beyond anything that a figure should hide
_GAPS: Final = (0.0, 0.01, 0.04, 0.1)  # seconds between two messages, each as likely as the others, and up to twice as long
MEAN_GAP: Final = 1.5 * sum(_GAPS) / len(_GAPS)


class Probe:
    """Sends single messages of one lane to one authority. ``send``: milliseconds to its receipt, in time."""

    def __init__(self, node: Node, to: str, lane: Lane, body: int = BODY) -> None:
        self._node = node
        self._to = (Office(to, "247"),)
        self._lane = lane
        self._body = body
        self._waiting: dict[bytes, tuple[float, Future[float]]] = {}
        self._tell = node.exchange.answers.on_settled
        node.exchange.answers.on_settled = self._settled

    def send(self) -> Future[float]:
        """Seal a message, then submit it. The watch runs from the submission."""
        outbox, now = self._node.exchange.outbox, self._node.clock.now()
        sealed = outbox.seal(Draft("247", self._to, "EE_PRESERVE", os.urandom(self._body), now + limits.DAY, self._lane))
        receipt: Future[float] = Future()
        self._waiting[sealed.envelope.hash] = (time.perf_counter(), receipt)
        outbox.submit(sealed)
        return receipt

    async def one_by_one(self, count: int) -> list[float]:
        """Each when the one before has its receipt. Raises TimeoutError."""
        return [await asyncio.wait_for(asyncio.wrap_future(await asyncio.to_thread(self.send)), PATIENCE) for _ in range(count)]

    async def mixed(self, count: int) -> list[float]:
        """At mixed intervals, whether or not those before have theirs: bursts, and up to 0.2 s of silence. Raises TimeoutError."""
        return await asyncio.to_thread(self._mixed, count)

    def _mixed(self, count: int) -> list[float]:
        pause, receipts = threading.Event(), []
        at = time.perf_counter()
        for number in range(count):
            drawn = sha256(number.to_bytes(8, "big")).digest()  # the same schedule each time
            at += _GAPS[drawn[0] % len(_GAPS)] * (1 + drawn[1] / 255)
            pause.wait(max(0.0, at - time.perf_counter()))
            receipts.append(self.send())
        return [receipt.result(PATIENCE) for receipt in receipts]

    def _settled(self, told: Sequence[Notice]) -> None:
        now = time.perf_counter()
        for each in told:
            found = self._waiting.pop(each.hash, None) if each.state is State.DELIVERED else None
            if found is not None:
                found[1].set_result(1000 * (now - found[0]))
        self._tell(told)


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest of these values that so many percent do not exceed (nearest rank)."""
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]
