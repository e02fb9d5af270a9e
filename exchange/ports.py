"""The outside as the exchange sees it: a clock, and where random bytes come from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

Random: TypeAlias = Callable[[int], bytes]


class Clock(Protocol):
    """Time that never goes back while the process runs."""

    def now(self) -> int:
        """Milliseconds since 1970, UTC."""
        ...

    def sure(self) -> bool:
        """False while wall clock and monotonic clock disagree by more than a minute."""
        ...
