"""The disk's reserve: when little is free, only what is urgent may still take room."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from exchange import codes
from exchange.ports import Clock
from protocol import limits
from protocol.entries import Lane
from protocol.errors import PassingError

AGAIN: Final = 60  # seconds until somebody whom we refused may ask again
_LOOK: Final = 1 * limits.SECOND


class Reserve:
    """``kept``: bytes that routine messages leave free. ``free`` gives those that are; it is asked at most once a second."""

    def __init__(self, free: Callable[[], int], kept: int, clock: Clock) -> None:
        self._free, self._kept, self._clock = free, kept, clock
        self._looked, self._found = -_LOOK, 0

    def demand(self, lane: Lane, size: int = 0) -> None:
        """So many bytes of this lane may be taken. Raises DISK-RESERVE (passing) for what can wait."""
        if lane is not Lane.URGENT and self._kept and self._left() < self._kept + size:
            raise PassingError(codes.DISK_RESERVE, seconds=AGAIN)

    @property
    def low(self) -> bool:
        """Whether routine messages must wait."""
        return self._left() < self._kept

    @property
    def tight(self) -> bool:
        """Whether nobody may take more than its share: what is left is for all."""
        return self._left() < self._kept * limits.RESERVE_TIMES

    def _left(self) -> int:
        now = self._clock.now()
        if not 0 <= now - self._looked < _LOOK:
            self._looked, self._found = now, self._free()
        return self._found
