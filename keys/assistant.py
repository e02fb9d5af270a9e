"""A second process that seals wraps: HPKE holds the interpreter's lock throughout, so a busy node seals on one core, works on the other.

    node ── length, [prekey, [info, plaintext, info, …]] ──> assistant       over its standard input and output, which nobody else sees
    node <── length, [wrap, …] ─────────────────────────────

It is started by the first batch that is worth it, keeps nothing between two batches, and ends with the node, however that ends, or when
nothing was asked of it for minutes. Whatever goes wrong with it, the node seals by itself.
"""

from __future__ import annotations

import contextlib
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from typing import BinaryIO, Final, cast

from keys.suite import SUITE, Suite1
from protocol import cbor
from protocol.errors import ProtocolError

_FEW: Final = 32  # wraps that are made here: asking takes as long
_MOST: Final = 1024  # wraps of one batch
_PATIENCE: Final = 30.0  # seconds: an assistant that answers no sooner is ended
_IDLE: Final = 300.0  # seconds without a question, after which it ends by itself


class AssistedSuite(Suite1):
    """Suite 1 whose batches of wraps are sealed by an assistant. From any thread; whoever finds it at work seals by himself."""

    __slots__ = ("_lock", "_process")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def seal_all(self, prekey: bytes, pairs: Sequence[tuple[bytes, bytes]]) -> list[bytes]:
        """As ``Suite1.seal_all``."""
        if _FEW <= len(pairs) <= _MOST and self._lock.acquire(blocking=False):
            try:
                return self._ask(prekey, pairs)
            except (OSError, ValueError, ProtocolError):
                self._end()
            finally:
                self._lock.release()
        return super().seal_all(prekey, pairs)

    def close(self) -> None:
        """End the assistant; another is started when one is needed again."""
        with self._lock:
            self._end()

    def _ask(self, prekey: bytes, pairs: Sequence[tuple[bytes, bytes]]) -> list[bytes]:
        """Raises OSError, ValueError and CBOR-FORM when there is no answer, or none that fits."""
        process = self._process
        if process is None or process.poll() is not None:
            self._end()
            command = [sys.executable, "-B", "-m", "keys.assistant"]
            self._process = subprocess.Popen(  # noqa: S603 - this module
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
            return super().seal_all(prekey, pairs)  # while it starts
        asked, answered = cast("BinaryIO", process.stdin), cast("BinaryIO", process.stdout)
        late = threading.Timer(_PATIENCE, process.kill)  # ends also a question that is not read: a pipe holds less than a batch
        late.start()
        try:
            _write(asked, [prekey, [each for pair in pairs for each in pair]])
            wraps = _read(answered)
        finally:
            late.cancel()
        if not isinstance(wraps, list) or len(wraps) != len(pairs):
            raise ValueError("no answer")
        return cast("list[bytes]", wraps)

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            with contextlib.suppress(OSError):
                process.communicate()


def _write(to: BinaryIO, value: cbor.Value) -> None:
    raw = cbor.encode(value)
    to.write(len(raw).to_bytes(4, "big") + raw)
    to.flush()


def _read(source: BinaryIO) -> cbor.Value:
    """Raises ValueError at the end, CBOR-FORM."""
    size = int.from_bytes(_read_exactly(source, 4), "big")
    return cbor.decode(_read_exactly(source, size))


def _read_exactly(source: BinaryIO, size: int) -> bytes:
    """Raises ValueError at the end."""
    raw = bytearray()
    while len(raw) < size:  # a pipe gives what it holds, 64 KiB at most
        some = source.read(size - len(raw))
        if not some:
            raise ValueError("the end")
        raw += some
    return bytes(raw)


def serve(asked: BinaryIO, answered: BinaryIO) -> None:
    """Seal what is asked until there is no more to come."""
    while select.select([asked], [], [], _IDLE)[0]:
        try:
            prekey, flat = cast("tuple[bytes, list[bytes]]", _read(asked))
        except ValueError:
            return
        _write(answered, SUITE.seal_all(prekey, list(zip(flat[::2], flat[1::2], strict=True))))


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # from a terminal it reaches the node too, which ends as it sees fit
    serve(open(0, "rb", buffering=0, closefd=False), open(1, "wb", closefd=False))  # noqa: SIM115 - descriptors
