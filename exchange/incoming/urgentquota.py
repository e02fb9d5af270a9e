"""How many urgent messages of one authority may ring here: beyond that, *later*, never lost, and a human is told (URG-4).

Counted are envelopes that are new and ours; asking again, and what is known already, costs nothing. The count begins anew with the process.
"""

from __future__ import annotations

import threading
from typing import Final

from exchange import codes
from protocol import limits
from protocol.bucket import Bucket
from protocol.entries import Lane
from protocol.errors import PassingError

_TOLD: Final = 1 * limits.HOUR


class UrgentQuota:
    """``per_hour``: of each authority; as many may come at once."""

    def __init__(self, per_hour: int) -> None:
        self._per_hour = per_hour
        self._buckets: dict[str, Bucket] = {}
        self._beyond: dict[str, int] = {}
        self._lock = threading.Lock()

    def demand(self, lane: Lane, peer: str, now: int) -> None:
        """One more message of this lane. Raises URGENT-QUOTA (passing), naming the seconds until the next may ring."""
        if lane is not Lane.URGENT:
            return
        with self._lock:
            bucket = self._buckets.get(peer)
            if bucket is None:
                bucket = self._buckets[peer] = Bucket(self._per_hour / 3600, self._per_hour, now)
            seconds = bucket.ask(1, now)
            if seconds:
                self._beyond[peer] = now
        if seconds:
            raise PassingError(codes.URGENT_QUOTA, f"{self._per_hour} an hour", seconds=seconds)

    def beyond(self, now: int) -> list[str]:
        """Who was put off within the last hour."""
        with self._lock:
            return sorted(peer for peer, at in self._beyond.items() if abs(now - at) < _TOLD)
