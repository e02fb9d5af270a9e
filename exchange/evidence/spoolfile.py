"""Files of ciphertext, larger than memory: how one grows, and how one is read, without filling the page cache.

What was written goes to the disk while the rest still comes, so that the end waits for little. What lies there, or was read, is
forgotten: the database needs the cache, and a virtual machine pays for each page that it had given back to its host.
A name is final after fsync of the file, rename, and fsync of the folder.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

_STRIDE: Final = 8 << 20  # bytes between two nudges to the kernel; no folio of its cache is larger
_BEHIND: Final = 32 << 20  # bytes until what was written should lie on the disk


class Standing(NamedTuple):
    """What is seen of a file that nobody has touched since: size, time of its last change (ns), inode."""

    size: int
    changed: int
    inode: int


class SpoolFile:
    """One file, written from its end on. Raises OSError. ``close`` it always."""

    def __init__(self, path: Path, *, fresh: bool) -> None:
        """``fresh``: begin with nothing; else go on at the end."""
        self.path = path
        self._handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | (os.O_TRUNC if fresh else os.O_APPEND), 0o600)
        self.size = os.fstat(self._handle).st_size
        self._started = self.size

    def write(self, *pieces: bytes) -> None:
        """All of these bytes, in this order. What a full disk still took of them stays."""
        left: Sequence[bytes | memoryview] = pieces
        while left:
            count = os.writev(self._handle, left)
            self.size += count
            left = _beyond(left, count)
        if self.size - self._started >= _STRIDE:
            self._nudge()

    def standing(self) -> Standing:
        """How the file looks now."""
        return _standing(os.fstat(self._handle))

    def settle(self, final: Path) -> None:
        """Make everything durable under this name, and close."""
        os.fsync(self._handle)
        self.close()
        self.path.rename(final)
        folder = os.open(final.parent, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def close(self) -> None:
        """Let it go; nothing is lost that the system does not lose."""
        if self._handle >= 0:
            handle, self._handle = self._handle, -1
            os.close(handle)

    def _nudge(self) -> None:
        """Let the kernel begin to write back: it does on this advice, keeps pages that are not on the disk yet, and forgets the others."""
        os.posix_fadvise(self._handle, self._started, self.size - self._started, os.POSIX_FADV_DONTNEED)
        self._started = self.size
        if self.size > _BEHIND:
            os.posix_fadvise(self._handle, 0, self.size - _BEHIND, os.POSIX_FADV_DONTNEED)


def read_piece(handle: int, at: int, size: int) -> bytes:
    """These bytes of a file that is read from its beginning to its end: the next are asked for, these forgotten. Raises OSError."""
    piece = os.pread(handle, size, at)
    if piece:  # advice on no bytes would be advice on the whole file
        os.posix_fadvise(handle, at + size, size, os.POSIX_FADV_WILLNEED)
        behind = max(0, at - _STRIDE)  # what reached beyond the pieces before this one is still there
        os.posix_fadvise(handle, behind, at + size - behind, os.POSIX_FADV_DONTNEED)
    return piece


def standing(path: Path) -> Standing | None:
    """How a file looks now; None when there is none."""
    try:
        return _standing(path.stat())
    except FileNotFoundError:
        return None


def _standing(found: os.stat_result) -> Standing:
    return Standing(found.st_size, found.st_mtime_ns, found.st_ino)


def _beyond(pieces: Sequence[bytes | memoryview], count: int) -> Sequence[bytes | memoryview]:
    """What is left of the pieces after so many bytes."""
    for index, piece in enumerate(pieces):
        if count < len(piece):
            return (memoryview(piece)[count:], *pieces[index + 1 :])
        count -= len(piece)
    return ()
