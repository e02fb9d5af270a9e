"""Checks of uploads that were cut: kept for a while, so that going on does not read again what is held already.

A few for each peer and a few in all, for some minutes: an older one is forgotten, and then the bytes held are read once more. A check goes
on only over the file that it left.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import NamedTuple

from exchange.evidence.spoolfile import Standing
from exchange.ports import Clock
from protocol import limits
from protocol.parts import OpeningPart

Key = tuple[bytes, int]  # envelope hash and number of the part


class _Kept(NamedTuple):
    peer: str
    check: OpeningPart
    file: Standing
    until: int


class Paused:
    """The checks of uploads that nobody feeds now. Any thread may call."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: OrderedDict[Key, _Kept] = OrderedDict()
        self._lock = threading.Lock()

    def keep(self, peer: str, key: Key, check: OpeningPart, file: Standing) -> None:
        """Keep a check that has seen exactly the bytes of this file."""
        with self._lock:
            self._kept[key] = _Kept(peer, check, file, self._clock.now() + limits.PAUSED)
            self._forget_old()
            theirs = [each for each, kept in self._kept.items() if kept.peer == peer]
            for each in theirs[: max(0, len(theirs) - limits.UPLOADS_PEER)]:
                del self._kept[each]
            while len(self._kept) > limits.UPLOADS:
                self._kept.popitem(last=False)

    def take(self, key: Key, file: Standing | None) -> OpeningPart | None:
        """The check that has seen exactly this file, once; None when there is none."""
        with self._lock:
            self._forget_old()
            kept = self._kept.pop(key, None)
        return kept.check if kept is not None and kept.file == file else None

    def forget(self, envelope_hash: bytes) -> None:
        """The parts of this message are not wanted any more."""
        with self._lock:
            for key in [key for key in self._kept if key[0] == envelope_hash]:
                del self._kept[key]

    def __len__(self) -> int:
        return len(self._kept)

    def _forget_old(self) -> None:
        now = self._clock.now()
        for key in [key for key, kept in self._kept.items() if kept.until <= now]:
            del self._kept[key]
