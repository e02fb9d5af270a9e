"""Another node's copy of the directory, as ``keys.directory.trust`` reads it: file by file, from a worker thread, bounded in size and time.

    event loop:     GET /v1/directory/<name> -> pieces -> queue
    worker thread:  queue -> mirror.take (counts bytes and time) -> trust.update

A peer that lies about the directory can only refuse or delay; one that sends for ever, or drop by drop, is given up (DIR-13, DIR-14).
"""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Callable, Iterator

from keys.directory import mirror
from node.carrying.peerclient import PeerClient
from node.clock import monotonic_ms


class MirrorClient:
    """The files of one peer, for a worker thread; it ends when the client is closed. ``clock``: monotonic, in ms."""

    def __init__(self, client: PeerClient, loop: asyncio.AbstractEventLoop, clock: Callable[[], int] = monotonic_ms) -> None:
        self._client = client
        self._loop = loop
        self._clock = clock

    def fetch(self, name: str) -> bytes:
        """The bytes under this name. Raises FileNotFoundError when the peer has none, PEER-*, and what ``mirror.take`` raises."""
        return mirror.take(name, self._pieces(name), self._clock)

    def _pieces(self, name: str) -> Iterator[bytes]:
        pieces: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        running = asyncio.run_coroutine_threadsafe(self._client.directory_file(name, pieces.put), self._loop)
        running.add_done_callback(lambda _: pieces.put(b""))
        try:
            while piece := pieces.get():
                yield piece
            running.result()
        finally:
            running.cancel()
