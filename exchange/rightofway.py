"""The right of way: while something urgent is at work in this process, what is routine pauses between two items.

Threads share one interpreter. Without this, what is urgent waits at each of its steps for a turn among all that pack, judge and seal.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from exchange.ports import Clock
from protocol.entries import Lane

_LONGEST: Final = 30  # ms of one pause


class RightOfWay:
    """Whoever works on something urgent does it within ``on``; whoever works on many routine items calls ``give`` before each.

    Routine never stands still: after each pause it goes on for as long as that lasted. Nobody who holds a lock, or a transaction, may give
    way. Without ``threaded`` nobody works beside anybody, and nobody pauses.
    """

    def __init__(self, clock: Clock, *, threaded: bool = True) -> None:
        self._clock, self._threaded = clock, threaded
        self._urgent = 0
        self._free = threading.Condition()
        self._goes_on = range(0)  # ms in which nobody pauses again

    @contextmanager
    def on(self, lane: Lane) -> Iterator[None]:
        """Work of this lane is done while this context is open."""
        if lane is not Lane.URGENT:
            yield
            return
        self.enter()
        try:
            yield
        finally:
            self.leave()

    def enter(self) -> None:
        """Something urgent is at work, until ``leave``, on whatever thread that comes."""
        with self._free:
            self._urgent += 1

    def leave(self) -> None:
        """One thing less is."""
        with self._free:
            self._urgent -= 1
            if not self._urgent:
                self._free.notify_all()

    def give(self, lane: Lane) -> None:
        """Before an item of this lane: when it is routine, pause while something urgent is at work."""
        if not (self._urgent and self._threaded) or lane is Lane.URGENT:
            return
        began = self._clock.now()
        if began in self._goes_on:
            return
        with self._free:
            self._free.wait_for(lambda: not self._urgent, _LONGEST / 1000)
        ended = self._clock.now()
        self._goes_on = range(ended, ended + min(ended - began, _LONGEST))
