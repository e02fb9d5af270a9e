"""Files of ciphertext parts: what we send, by digest; what comes in, by message and number, under a temporary name until verified.

Only ciphertext is ever written. (docs/evidence.md)
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Generator, Iterator
from contextlib import closing, suppress
from pathlib import Path

from exchange.evidence.spoolfile import SpoolFile, read_piece

_READ = 1 << 20
_INCOMING = re.compile(r"([0-9a-f]{64})-([1-9][0-9]{0,2})(?:\.partial)?")


class PartFiles:
    """The folders ``out`` and ``in`` below ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("out", "in"):
            (folder / name).mkdir(parents=True, exist_ok=True, mode=0o700)
        for leftover in (folder / "out").glob("*.tmp"):
            leftover.unlink()

    def new_outgoing(self, number: int, message_id: bytes) -> SpoolFile:
        """A temporary file for a part that is being sealed; ``keep_outgoing`` gives it its name."""
        return SpoolFile(self.folder / "out" / f"{message_id.hex()}-{number}.tmp", fresh=True)

    def keep_outgoing(self, file: SpoolFile, digest: bytes) -> None:
        """Make a sealed part durable under its digest."""
        file.settle(self.outgoing(digest))

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
        for path in (self.partial(envelope_hash, number), self.incoming(envelope_hash, number)):  # as it is renamed meanwhile
            with suppress(FileNotFoundError):
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
        with closing(SpoolFile(self.partial(envelope_hash, number), fresh=False)) as file:
            file.settle(self.incoming(envelope_hash, number))

    def drop_partial(self, envelope_hash: bytes, number: int) -> None:
        """Throw away what failed verification: it is uploaded again from the start."""
        self.partial(envelope_hash, number).unlink(missing_ok=True)

    def drop_part(self, envelope_hash: bytes, number: int) -> None:
        """Throw away a part that no message wants, whole or not."""
        self.partial(envelope_hash, number).unlink(missing_ok=True)
        self.incoming(envelope_hash, number).unlink(missing_ok=True)

    def all_incoming(self) -> Iterator[tuple[bytes, int]]:
        """Every part of which something came: hash of its envelope and number. What has another name is none, and is removed."""
        for path in list((self.folder / "in").iterdir()):
            found = _INCOMING.fullmatch(path.name)
            if found is None:
                path.unlink()
            else:
                yield bytes.fromhex(found[1]), int(found[2])

    def any_incoming(self, envelope_hash: bytes) -> bool:
        """Whether anything came of this message's parts."""
        return any((self.folder / "in").glob(f"{envelope_hash.hex()}-*"))

    def drop_message(self, envelope_hash: bytes) -> None:
        """Throw away every part of a message that was refused."""
        for path in (self.folder / "in").glob(f"{envelope_hash.hex()}-*"):
            path.unlink(missing_ok=True)


def read_chunks(path: Path, offset: int = 0) -> Generator[bytes, None, None]:
    """The bytes of a file from ``offset`` on, a mebibyte at a time."""
    with path.open("rb", buffering=0) as file:
        while chunk := read_piece(file.fileno(), offset, _READ):
            offset += len(chunk)
            yield chunk


def is_sound(path: Path, digest: bytes) -> bool:
    """Whether a stored part is there, byte for byte, as its envelope names it."""
    found = hashlib.sha256()
    try:
        for chunk in read_chunks(path):
            found.update(chunk)
    except OSError:
        return False
    return found.digest() == digest
