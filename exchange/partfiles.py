"""Files of ciphertext parts: what we send, by digest; what comes in, by message and number, under a temporary name until verified.

Only ciphertext is ever written. A name is final after fsync of the file, rename, and fsync of the folder.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_READ = 1 << 20


class PartFiles:
    """The folders ``out`` and ``in`` below ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("out", "in"):
            (folder / name).mkdir(parents=True, exist_ok=True, mode=0o700)
        for leftover in (folder / "out").glob("*.tmp"):
            leftover.unlink()

    def new_outgoing(self, number: int, message_id: bytes) -> BinaryIO:
        """A temporary file for a part that is being sealed; ``keep_outgoing`` gives it its name."""
        return (self.folder / "out" / f"{message_id.hex()}-{number}.tmp").open("wb")

    def keep_outgoing(self, file: BinaryIO, digest: bytes) -> None:
        """Make a sealed part durable under its digest."""
        _settle(file, self.outgoing(digest))

    def drop_outgoing(self, digest: bytes) -> None:
        """Throw away a sealed part of a message that was never submitted."""
        self.outgoing(digest).unlink(missing_ok=True)

    def outgoing(self, digest: bytes) -> Path:
        """Where the ciphertext of a part of ours lies."""
        return self.folder / "out" / digest.hex()

    def incoming(self, envelope_hash: bytes, number: int) -> Path:
        """Where the verified ciphertext of a part that came lies."""
        return self.folder / "in" / f"{envelope_hash.hex()}-{number}"

    def partial(self, envelope_hash: bytes, number: int) -> Path:
        """Where a part is collected until it is whole and verified."""
        return self.folder / "in" / f"{envelope_hash.hex()}-{number}.partial"

    def held(self, envelope_hash: bytes, number: int) -> int:
        """Bytes of a part that are here, verified or not."""
        for path in (self.incoming(envelope_hash, number), self.partial(envelope_hash, number)):
            if path.exists():
                return path.stat().st_size
        return 0

    def resume(self, envelope_hash: bytes, number: int) -> Path:
        """Where to go on collecting a part. One with its final name that was never taken (a crash between) is a partial again."""
        partial, final = self.partial(envelope_hash, number), self.incoming(envelope_hash, number)
        if final.exists():
            final.rename(partial)
        return partial

    def keep_incoming(self, envelope_hash: bytes, number: int) -> None:
        """Make a verified part durable under its final name."""
        with self.partial(envelope_hash, number).open("r+b") as file:
            _settle(file, self.incoming(envelope_hash, number))

    def drop_partial(self, envelope_hash: bytes, number: int) -> None:
        """Throw away what failed verification: it is uploaded again from the start."""
        self.partial(envelope_hash, number).unlink(missing_ok=True)

    def drop_message(self, envelope_hash: bytes) -> None:
        """Throw away every part of a message that was refused."""
        for path in (self.folder / "in").glob(f"{envelope_hash.hex()}-*"):
            path.unlink(missing_ok=True)


def read_chunks(path: Path, offset: int = 0) -> Iterator[bytes]:
    """The bytes of a file from ``offset`` on, a mebibyte at a time."""
    with path.open("rb") as file:
        file.seek(offset)
        while chunk := file.read(_READ):
            yield chunk


def _settle(file: BinaryIO, final: Path) -> None:
    file.flush()
    os.fsync(file.fileno())
    file.close()
    Path(file.name).rename(final)
    folder = os.open(final.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
