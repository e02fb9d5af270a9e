"""A TCP proxy in a process of its own: counts what passes from the caller to the listener, and cuts every connection at given moments.

A cut is hard: both sockets end with a reset, and what lay in their buffers is lost. A moment at which nothing has flowed since the last
cut waits until something has.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import socket
import struct
import threading
import time
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from typing import Final

from node.clock import monotonic_ms

_PIECE: Final = 1 << 18
_BEGUN: Final = 1 << 20  # bytes: from then on it is evidence that flows, and moments are counted
_FLOWED: Final = 1 << 16  # bytes since the last cut
_TICK: Final = 0.002
_RESET: Final = struct.pack("ii", 1, 0)  # SO_LINGER: no farewell


class CutProxy:
    """A proxy that runs. ``report`` ends it."""

    def __init__(self, process: multiprocessing.process.BaseProcess, line: Connection) -> None:
        self._process, self._line = process, line

    def report(self) -> tuple[int, int]:
        """Bytes that have passed, and how many cuts were made. It ends."""
        self._line.send(None)
        passed, cuts = self._line.recv()
        self._process.join(10)
        return passed, cuts


@contextlib.contextmanager
def cut_proxy(port: int, target: int, moments: Sequence[float]) -> Iterator[CutProxy]:
    """A proxy that listens at ``port`` and leads to ``target``, both on loopback. ``moments``: seconds, ascending."""
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=_run, args=(port, target, tuple(moments), theirs), daemon=True)
    process.start()
    ours.recv()
    try:
        yield CutProxy(process, ours)
    finally:
        process.kill()
        process.join()


def _run(port: int, target: int, moments: tuple[float, ...], line: Connection) -> None:
    running = _Running(target)
    server = socket.create_server(("127.0.0.1", port))
    threading.Thread(target=running.accept, args=(server,), daemon=True).start()
    threading.Thread(target=running.cut_at, args=(moments,), daemon=True).start()
    line.send(None)
    line.recv()
    line.send((running.passed, running.cuts))


class _Running:
    def __init__(self, target: int) -> None:
        self.passed = 0
        self.cuts = 0
        self._target = target
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()

    def accept(self, server: socket.socket) -> None:
        while True:
            near, _ = server.accept()
            try:
                far = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                near.close()
                continue
            with self._lock:
                self._open |= {near, far}
            threading.Thread(target=self._carry, args=(near, far, True), daemon=True).start()
            threading.Thread(target=self._carry, args=(far, near, False), daemon=True).start()

    def cut_at(self, moments: tuple[float, ...]) -> None:
        self._await(_BEGUN)
        start = monotonic_ms()
        for moment in moments:
            while monotonic_ms() < start + 1000 * moment:
                time.sleep(_TICK)  # noqa: TID251 - what is measured is time
            self._await(self.passed + _FLOWED if self.cuts else 0)
            self._cut()

    def _await(self, passed: int) -> None:
        while self.passed < passed:
            time.sleep(_TICK)  # noqa: TID251 - another thread counts

    def _cut(self) -> None:
        with self._lock:
            there, self._open = self._open, set()
        for each in there:
            with contextlib.suppress(OSError):
                each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                each.shutdown(socket.SHUT_RD)  # wakes the thread that reads it
            each.close()
        self.cuts += 1

    def _carry(self, source: socket.socket, target: socket.socket, counted: bool) -> None:
        buffer = bytearray(_PIECE)
        view = memoryview(buffer)
        with contextlib.suppress(OSError):
            while count := source.recv_into(buffer):
                if counted:
                    self.passed += count
                target.sendall(view[:count])
        with self._lock:
            known = {source, target} & self._open
            self._open -= known
        for each in known:
            each.close()
