"""Another node's copy of the directory, as ``keys.directory.trust`` reads it: file by file, from a worker thread, bounded in size and time.

    event loop:     GET /v1/directory/<name> -> pieces -> queue
    worker thread:  queue -> mirror.take (counts bytes and time) -> trust.update

A peer that lies about the directory can only refuse or delay; one that sends for ever, or drop by drop, is given up (DIR-13, DIR-14).
"""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future

from keys.directory import mirror
from node import codes
from node.clock import monotonic_ms
from node.peerclient import PeerClient
from protocol.errors import PassingError


class MirrorClient:
    """The files of one peer. ``fetch`` from a worker thread, ``stop`` from the loop. ``clock``: monotonic, in ms."""

    def __init__(self, client: PeerClient, loop: asyncio.AbstractEventLoop, clock: Callable[[], int] = monotonic_ms) -> None:
        self._client = client
        self._loop = loop
        self._clock = clock
        self._stopped = False
        self._running: Future[None] | None = None

    def fetch(self, name: str) -> bytes:
        """The bytes under this name. Raises FileNotFoundError when the peer has none, and what ``mirror.take`` raises."""
        return mirror.take(name, self._pieces(name), self._clock)

    def stop(self) -> None:
        """Give up: the thread that fetches gets PEER-UNREACHABLE."""
        self._stopped = True
        if self._running is not None:
            self._running.cancel()

    def _pieces(self, name: str) -> Iterator[bytes]:
        pieces: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        running = self._running = asyncio.run_coroutine_threadsafe(self._client.directory_file(name, pieces.put), self._loop)
        if self._stopped:
            running.cancel()
        running.add_done_callback(lambda _: pieces.put(b""))
        try:
            while piece := pieces.get():
                yield piece
            running.result()
        except CancelledError:
            raise PassingError(codes.PEER_UNREACHABLE, "stopping") from None
        finally:
            running.cancel()
