"""The clock: wall time that runs on by the monotonic clock, and says so when the two disagree. The only place that reads either."""

from __future__ import annotations

import time
from typing import Final

_DOUBT: Final = 60_000  # ms: a wall clock that departs by more is not followed


class SystemClock:
    """``exchange.ports.Clock`` on the machine's clocks. Never goes back while the process runs."""

    def __init__(self) -> None:
        self._base = _wall() - _monotonic()
        self._last = 0
        self._jumps, self._off = 0, 0

    def now(self) -> int:
        """Milliseconds since 1970, UTC. Small corrections of the wall clock are followed, jumps are not."""
        running = self._base + _monotonic()
        wall = _wall()
        if abs(wall - running) <= _DOUBT:
            self._base += wall - running
            running = wall
        self._last = max(self._last, running)
        return self._last

    def sure(self) -> bool:
        """False while the wall clock has jumped by more than a minute since the start."""
        return abs(_wall() - self._base - _monotonic()) <= _DOUBT

    def jumps(self) -> int:
        """How often the wall clock has jumped by more than a minute against the monotonic clock: a machine put back looks like that."""
        off = _wall() - self._base - _monotonic()
        if abs(off - self._off) > _DOUBT:
            self._jumps += 1
            self._off = off
        elif abs(off) <= _DOUBT:
            self._off = 0
        return self._jumps


def monotonic_ms() -> int:
    """For measuring durations."""
    return _monotonic()


def _wall() -> int:
    return time.time_ns() // 1_000_000


def _monotonic() -> int:
    return time.monotonic_ns() // 1_000_000
