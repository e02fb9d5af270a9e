"""Items whose judging met a fault of ours: tried three times, then set aside, so that the next message flows (POI-1).

    1st, 2nd time   *later*, a minute: whatever it was may have passed
    3rd time        kept as it came, *later*, an hour; not judged again by this process. A human is told.

It is never *bad* and never refused: the mistake is ours, the sender keeps its message, and the next release judges it anew.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from functools import partial
from typing import Final

import structlog

from exchange import codes, oddities
from exchange.writer import Writer
from protocol import limits, pouch
from protocol.errors import ProtocolError
from protocol.pouch import EnvelopeItem, Later

_REMEMBERED: Final = 4096
_SOON, _LATE = 60, 3600  # seconds
_log = structlog.get_logger("quarantine")


class Quarantine:
    """Counts faults by envelope, in memory: what a restart mends need not be undone."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._faults: OrderedDict[bytes, int] = OrderedDict()
        self._lock = threading.Lock()

    def answer(self, raw: bytes) -> Later | None:
        """What an item is answered that is not judged any more; None for all others."""
        if not self._faults:
            return None
        with self._lock:
            faults = self._faults.get(_key(raw), 0)
        return Later(codes.ITEM_QUARANTINED.code, _LATE) if faults >= limits.FAULTS else None

    def fault(self, peer: str, raw: bytes, error: Exception) -> Later:
        """Judging this item met a fault: count it."""
        key = _key(raw)
        with self._lock:
            faults = self._faults[key] = self._faults.get(key, 0) + 1
            self._faults.move_to_end(key)
            while len(self._faults) > _REMEMBERED:
                self._faults.popitem(last=False)
        _log.error("item.fault", peer=peer, item=key.hex()[:16], times=faults, exc_info=error)
        if faults < limits.FAULTS:
            return Later(codes.ITEM_FAULT.code, _SOON)
        if faults == limits.FAULTS:
            kept = partial(
                oddities.keep_oddity, peer=peer, what=oddities.ITEM, code=codes.ITEM_QUARANTINED, raw=raw, envelope_hash=key
            )
            self._writer.run(kept)
        return Later(codes.ITEM_QUARANTINED.code, _LATE)


def _key(raw: bytes) -> bytes:
    """The envelope's hash, which stays when path and wrap are made anew; of what has none, its own."""
    try:
        item = pouch.parse_item(raw)
    except ProtocolError:
        return hashlib.sha256(raw).digest()
    return hashlib.sha256(item.envelope).digest() if isinstance(item, EnvelopeItem) else item.envelope_hash
