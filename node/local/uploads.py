"""Uploads: attachments that a system hands over before the message that carries them. Never plaintext on disk.

Each is encrypted under a random key of its own, which lives in memory only: what is left behind after a crash is noise, and is
removed at the next start. An upload belongs to the account that made it, is used once, and lives a day.
"""

from __future__ import annotations

import hashlib
import shutil
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from exchange.evidence.partfiles import read_chunks
from exchange.evidence.spoolfile import SpoolFile
from exchange.outgoing.sealing import Reader
from exchange.ports import Clock, Random
from keys.suite import SUITE
from node import codes
from protocol import limits
from protocol.errors import LocalError
from protocol.ports import Stream

WAITING: Final = 256  # uploads that wait to be sent, in all
LIFE: Final = limits.DAY

_CONTEXT: Final = b"rogatory/upload/v1"


@dataclass
class Upload:
    """One upload. ``length`` and ``sha256`` are of the plaintext, once it is whole."""

    id: str
    owner: bytes
    path: Path
    time: int
    length: int = 0
    sha256: bytes = b""
    whole: bool = False
    _key: bytes = field(default=b"", repr=False)


class Receiving:
    """An upload on its way in: write every chunk, then finish; or drop it."""

    def __init__(self, upload: Upload, key: bytes) -> None:
        self.upload = upload
        upload._key = key  # noqa: SLF001 - one room
        self._stream: Stream = SUITE.encryptor(key, _CONTEXT)
        self._digest = hashlib.sha256()
        self._file = SpoolFile(upload.path, fresh=True)

    def write(self, chunk: bytes) -> None:
        """Take a chunk of plaintext."""
        self._digest.update(chunk)
        self.upload.length += len(chunk)
        self._file.write(self._stream.update(chunk))

    def finish(self) -> Upload:
        """All is here."""
        self._file.write(self._stream.finalize())
        self._file.close()
        self.upload.sha256 = self._digest.digest()
        self.upload.whole = True
        return self.upload

    def drop(self) -> None:
        """It broke off: forget it."""
        self._file.close()
        self.upload.path.unlink(missing_ok=True)


class Uploads:
    """The uploads that wait. ``reserve``: bytes that must stay free on the disk."""

    def __init__(self, folder: Path, clock: Clock, random: Random, reserve: int) -> None:
        self._folder, self._clock, self._random, self._reserve = folder, clock, random, reserve
        self._lock = threading.Lock()
        self._held: dict[str, Upload] = {}
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for leftover in folder.iterdir():
            leftover.unlink()

    def receive(self, owner: bytes, length: int) -> Receiving:
        """Begin one of so many bytes. Raises UPLOAD-LENGTH, UPLOAD-FULL."""
        if not 0 <= length <= limits.PART:
            raise LocalError(codes.UPLOAD_LENGTH, f"{length} bytes")
        self._forget_old()
        with self._lock:
            if len(self._held) >= WAITING or shutil.disk_usage(self._folder).free < length + self._reserve:
                raise LocalError(codes.UPLOAD_FULL, f"{len(self._held)} wait")
            number = self._random(16).hex()
            upload = Upload(number, owner, self._folder / number, self._clock.now())
            self._held[number] = upload
        return Receiving(upload, self._random(32))

    def get(self, number: str, owner: bytes) -> Upload:
        """A whole upload of this owner. Raises UPLOAD-UNKNOWN."""
        upload = self._held.get(number)
        if upload is None or not upload.whole or upload.owner != owner:
            raise LocalError(codes.UPLOAD_UNKNOWN, number[:32])
        return upload

    @contextmanager
    def open(self, number: str, owner: bytes) -> Iterator[tuple[Reader, int]]:
        """Its plaintext, and how long it is. Raises UPLOAD-UNKNOWN; PART-CONTENT while reading what was altered on disk."""
        upload = self.get(number, owner)
        with closing(read_chunks(upload.path)) as chunks:
            yield _Decrypting(chunks, upload._key), upload.length  # noqa: SLF001 - one room

    def forget(self, number: str) -> None:
        """It was sent, or is not wanted any more."""
        with self._lock:
            upload = self._held.pop(number, None)
        if upload is not None:
            upload.path.unlink(missing_ok=True)

    def _forget_old(self) -> None:
        for number in [u.id for u in list(self._held.values()) if u.time + LIFE <= self._clock.now()]:
            self.forget(number)


class _Decrypting:
    """``Reader`` over an upload. The last bytes come only after the whole was verified."""

    def __init__(self, chunks: Iterator[bytes], key: bytes) -> None:
        self._chunks = chunks
        self._stream = SUITE.decryptor(key, _CONTEXT)
        self._ready = b""
        self._ended = False

    def read(self, size: int, /) -> bytes:
        while not self._ready and not self._ended:
            chunk = next(self._chunks, b"")
            self._ended = not chunk
            self._ready = self._stream.update(chunk) if chunk else self._stream.finalize()
        out, self._ready = self._ready[:size], self._ready[size:]
        return out
