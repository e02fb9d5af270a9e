"""The folder of a backup: files under the SHA-256 of their bytes, and one manifest that names them.

    manifest              written last, by one rename: until then the backup before it stands
    objects/<sha256>      never changed; what is there already is not copied again
    wraps/<sha256>        the keys of messages, apart: they have a cycle of their own (at most 30 days), what is older than that goes

Nothing here follows a link. (docs/backup.md)
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from exchange.backup import codes
from exchange.backup.manifest import WRAPS, Line
from keys.sealedfile import write_atomically
from protocol.errors import LocalError

MANIFEST: Final = "manifest"
_MOST: Final = 256 << 20  # bytes of a manifest
_CHUNK: Final = 1 << 20


class Medium:
    """One backup folder. Every method raises BACKUP-WRITE for what the file system refuses."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def prepare(self) -> None:
        """Make the folders."""
        try:
            for made in (self.folder, self.folder / "objects", self.folder / "wraps"):
                made.mkdir(parents=True, exist_ok=True, mode=0o700)
            for left in self.folder.glob(".new-*"):  # by a backup that was cut off
                left.unlink()
        except OSError as error:
            raise LocalError(codes.BACKUP_WRITE, f"{self.folder}: {error.strerror}") from None

    def manifest(self) -> bytes | None:
        """The manifest's bytes, None where there is none."""
        if not (self.folder / MANIFEST).exists():
            return None
        return b"".join(self._chunks(self.folder / MANIFEST, _MOST))

    def has(self, name: str, sha256: str, length: int) -> bool:
        """Whether this object is here, by name and length: its bytes are read by whoever verifies or restores."""
        try:
            found = self.path(name, sha256).lstat()
        except OSError:
            return False
        return stat.S_ISREG(found.st_mode) and found.st_size == length

    def put(self, name: str, chunks: Iterable[bytes], *, sealed: bool) -> Line:
        """Store a file durably under the digest of its bytes."""
        digest, length = hashlib.sha256(), 0
        temporary = self.folder / f".new-{os.urandom(8).hex()}"
        try:
            with temporary.open("wb") as out:
                for chunk in chunks:
                    digest.update(chunk)
                    length += len(chunk)
                    out.write(chunk)
                out.flush()
                os.fsync(out.fileno())
            final = self.path(name, digest.hexdigest())
            temporary.rename(final)
            _sync(final.parent)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise LocalError(codes.BACKUP_WRITE, f"{name}: {error.strerror}") from None
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        return Line(digest.hexdigest(), length, sealed)

    def finish(self, manifest: bytes, keep: Iterable[tuple[str, str]]) -> None:
        """Bring a manifest into force, then remove what it does not name. ``keep``: (name, digest) of its files."""
        try:
            write_atomically(self.folder / MANIFEST, manifest)
            kept = {self.path(name, sha256) for name, sha256 in keep}
            for place in ("objects", "wraps"):
                for path in (self.folder / place).iterdir():
                    if path not in kept:
                        path.unlink()
        except OSError as error:
            raise LocalError(codes.BACKUP_WRITE, f"{error.strerror}") from None

    def read(self, name: str, line: Line) -> Iterator[bytes]:
        """The stored bytes of a file, which are the listed ones when the iterator ends. Raises BACKUP-ALTERED."""
        digest, left = hashlib.sha256(), line.length
        for chunk in self._chunks(self.path(name, line.sha256), line.length):
            digest.update(chunk)
            left -= len(chunk)
            yield chunk
        if left or digest.hexdigest() != line.sha256:
            raise LocalError(codes.BACKUP_ALTERED, name)

    def path(self, name: str, sha256: str) -> Path:
        """Where the bytes of a file lie."""
        return self.folder / ("wraps" if name == WRAPS else "objects") / sha256

    def _chunks(self, path: Path, most: int) -> Iterator[bytes]:
        """Raises BACKUP-ALTERED for what is missing, longer, a link or no regular file."""
        try:
            if path.parent.is_symlink():
                raise LocalError(codes.BACKUP_ALTERED, f"{path.parent.name} is a link")
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
            with os.fdopen(handle, "rb") as file:
                found = os.fstat(file.fileno())
                if not stat.S_ISREG(found.st_mode) or found.st_size > most:
                    raise LocalError(codes.BACKUP_ALTERED, path.name)
                while chunk := file.read(_CHUNK):
                    yield chunk
        except OSError as error:
            raise LocalError(codes.BACKUP_ALTERED, f"{path.name}: {error.strerror}") from None


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
