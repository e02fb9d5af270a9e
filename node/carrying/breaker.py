"""The circuit breaker of one peer: how long its lanes wait after failures, and when everything goes again.

    closed      nothing failed lately                       pouch after pouch
    open        after a failure                             nothing, up to 30 s (urgent) or 5 min (routine), with full jitter
    half-open   that time is over                           one pouch: fails, and it is open for longer; passes, and all lanes are closed

Full jitter: the wait is anywhere between nothing and a bound that doubles, so that who failed together does not come back together.
A peer's Retry-After is obeyed.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from exchange.outgoing import retries
from protocol import limits
from protocol.entries import Lane

MOST: Final = {lane: bound / limits.SECOND for lane, bound in retries.MOST.items()}  # seconds: as long as its deliveries wait
_OBEYED: Final = 3600  # seconds: the longest Retry-After


@dataclass
class _Circuit:
    failures: int = 0
    until: float = 0.0


class Breaker:
    """Times are seconds of the loop's clock. ``chance``: a number from 0 up to 1."""

    def __init__(self, chance: Callable[[], float] = lambda: int.from_bytes(os.urandom(4), "big") / (1 << 32)) -> None:
        self._chance = chance
        self._circuits = {lane: _Circuit() for lane in Lane}

    def failed(self, lane: Lane, now: float, asked: float = 0.0) -> None:
        """A pouch of this lane failed; the peer asked for so many seconds."""
        circuit = self._circuits[lane]
        bound = min(2.0 ** min(circuit.failures, 16), MOST[lane])
        circuit.failures += 1
        circuit.until = now + max(min(asked, _OBEYED), bound * self._chance())

    def until(self, lane: Lane) -> float:
        """Before this instant the lane sends nothing."""
        return self._circuits[lane].until

    @property
    def waits(self) -> bool:
        """Whether any lane has failed and not passed since."""
        return any(circuit.failures for circuit in self._circuits.values())

    def passed(self, lane: Lane) -> bool:
        """A pouch of this lane passed: whether its circuit was open, so that others may try now."""
        was_open = self._circuits[lane].failures > 0
        self._circuits[lane] = _Circuit()
        return was_open

    def close(self) -> None:
        """The peer is there: all lanes send again."""
        self._circuits = {lane: _Circuit() for lane in Lane}

    def state(self, lane: Lane, now: float) -> str:
        """closed, open or half-open."""
        circuit = self._circuits[lane]
        if not circuit.failures:
            return "closed"
        return "open" if now < circuit.until else "half-open"
