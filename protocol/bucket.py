"""A token bucket: so much a second, some at once, and a debt for what was taken beyond it.

    level  = burst, when nothing was taken lately
    take   level -= cost, never below -burst
    time   level += rate, never above burst

Whoever shares something out compares levels: the fuller bucket goes first, and who is in debt waits when others want their share.
"""

from __future__ import annotations

import math
from typing import Final

_SECOND: Final = 1000  # ms


class Bucket:
    """``rate``: units a second; ``burst``: units at once. Times are ms of any clock; one that goes back adds nothing."""

    __slots__ = ("_at", "_burst", "_level", "_rate")

    def __init__(self, rate: float, burst: float, now: int) -> None:
        self._rate, self._burst = rate, burst
        self._level, self._at = burst, now

    def level(self, now: int) -> float:
        """What may be taken now; negative: a debt."""
        if now > self._at:
            self._level = min(self._burst, self._level + (now - self._at) * self._rate / _SECOND)
        self._at = now
        return self._level

    def full(self, now: int) -> bool:
        """Whether nothing was taken lately: such a bucket can be forgotten."""
        return self.level(now) >= self._burst

    def take(self, cost: float, now: int) -> None:
        """Take it, into debt if need be."""
        self._level = max(self.level(now) - cost, -self._burst)

    def ask(self, cost: float, now: int) -> int:
        """Take it if it is there: 0 then. Else nothing is taken: whole seconds, at least one, until it will be there."""
        if self.level(now) >= cost:
            self._level -= cost
            return 0
        return max(1, math.ceil((cost - self._level) / self._rate))
