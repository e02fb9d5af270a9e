"""Bytes of a TLS connection, read into one place.

asyncio asks OpenSSL for 256 KiB each time and gets one record of 16: for protocols that take bytes it makes as much room for each
record and cuts it down, a hundred times a pouch. What is kept of them lies scattered, and the heap of a busy node grows by megabytes.
"""

from __future__ import annotations

import asyncio
import threading
from typing import Final
from typing import Protocol as TypingProtocol

_ROOM: Final = 1 << 16  # bytes: pieces that the C library keeps in the heap (node/heap.py)


class _Place(threading.local):
    """One for all connections of a loop: what was read is handed on before anything else is."""

    def __init__(self) -> None:
        self.view = memoryview(bytearray(_ROOM))


_place = _Place()


class _TakesBytes(TypingProtocol):
    def data_received(self, data: bytes) -> None: ...


class InPlace(asyncio.BufferedProtocol):
    """Behind a protocol that takes bytes: hands it what one read brought, in one piece."""

    __slots__ = ()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the next bytes go."""
        return _place.view

    def buffer_updated(self: _TakesBytes, nbytes: int) -> None:
        """So many have come."""
        self.data_received(bytes(_place.view[:nbytes]))
