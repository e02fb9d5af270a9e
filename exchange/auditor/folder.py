"""Reads a folder that a stranger prepared: plain files under known names, each within its limit; everything else is refused.

No link is followed, nothing is written, no file is read before its size is known to be possible.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from exchange.auditor import codes
from protocol import limits
from protocol.errors import ProtocolError

FILES: Final = 20_000
DEPTH: Final = 3
CHUNK: Final = 1 << 20
MANIFEST: Final = "manifest.json"

_AUTHORITY: Final = r"[a-z0-9](?:[a-z0-9.-]{0,62}[a-z0-9])?"
_KINDS: Final = tuple(
    (re.compile(pattern + r"\Z", re.ASCII), limit)
    for pattern, limit in (
        (r"manifest\.json", 8 * limits.MiB),
        (r"README\.txt", 64 * limits.KiB),
        (r"envelope\.cbor", limits.ENVELOPE),
        (rf"(?:origin(?:-[1-9][0-9]{{0,8}})?|receipt(?:-{_AUTHORITY})?)\.tlog-proof", limits.NOTE + 8 * limits.KiB),
        (rf"(?:origin|receipt-{_AUTHORITY})\.before", limits.NOTE),
        (rf"receipt-{_AUTHORITY}\.link", 8 * limits.KiB),
        (rf"policy(?:-{_AUTHORITY}-[1-9][0-9]{{0,8}})?\.txt", limits.POLICY),
        (r"directory/(?:authorities/)?[a-z0-9][a-z0-9.-]{0,200}\.json", limits.DIRECTORY),
        (r"disclosed/part-(?:0|[1-9][0-9]{0,2})\.json", 4 * limits.KiB),
        (r"disclosed/part-0", limits.BODY),
        (r"disclosed/part-[1-9][0-9]{0,2}", limits.PART),
    )
)


@dataclass(frozen=True, slots=True)
class Folder:
    """A bundle's files by name, with their sizes in bytes, as they were when it was opened."""

    path: Path
    sizes: dict[str, int]

    @classmethod
    def open(cls, path: Path, below: str = "") -> Folder:
        """List the folder, or only one folder ``below`` it. Raises BUNDLE-READ, BUNDLE-NAME, BUNDLE-COUNT, BUNDLE-SIZE."""
        sizes: dict[str, int] = {}
        start = _walk(path / below, f"{below}/", DEPTH - 1) if below else _walk(path, "", DEPTH)
        for name, size in start:
            limit = _limit(name)
            if limit is None:
                raise ProtocolError(codes.BUNDLE_NAME, ascii(name[:120]))
            if size > limit:
                raise ProtocolError(codes.BUNDLE_SIZE, f"{name}: {size} bytes")
            sizes[name] = size
            if len(sizes) > FILES:
                raise ProtocolError(codes.BUNDLE_COUNT, f"more than {FILES}")
        return cls(path, sizes)

    def read(self, name: str) -> bytes:
        """A whole file. Raises BUNDLE-MISSING, BUNDLE-READ, BUNDLE-SIZE."""
        return b"".join(self.chunks(name))

    def chunks(self, name: str) -> Iterator[bytes]:
        """A file piece by piece. Raises BUNDLE-MISSING, BUNDLE-READ, and BUNDLE-SIZE when it grew meanwhile."""
        if name not in self.sizes:
            raise ProtocolError(codes.BUNDLE_MISSING, name)
        yield from read_chunks(self.path / name, name, self.sizes[name])


def read_chunks(path: Path, name: str, limit: int) -> Iterator[bytes]:
    """A plain file of at most ``limit`` bytes piece by piece, no link followed. Raises BUNDLE-READ, BUNDLE-SIZE."""
    try:
        # O_NONBLOCK: opening a pipe that nobody writes to must not hang
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ProtocolError(codes.BUNDLE_READ, name)
            seen = 0
            while piece := file.read(CHUNK):
                seen += len(piece)
                if seen > limit:
                    raise ProtocolError(codes.BUNDLE_SIZE, f"{name}: more than {limit} bytes")
                yield piece
    except OSError as error:
        raise ProtocolError(codes.BUNDLE_READ, f"{name}: {error.strerror}") from None


def read_file(path: Path, limit: int) -> bytes:
    """A plain file of at most ``limit`` bytes. Raises BUNDLE-READ, BUNDLE-SIZE."""
    return b"".join(read_chunks(path, path.name, limit))


def _walk(path: Path, prefix: str, depth: int) -> Iterator[tuple[str, int]]:
    try:
        with os.scandir(path) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise ProtocolError(codes.BUNDLE_READ, f"{prefix or 'the folder'}: {error.strerror}") from None
    for entry in found:
        name = prefix + entry.name
        mode = entry.stat(follow_symlinks=False)
        if stat.S_ISREG(mode.st_mode):
            yield name, mode.st_size
        elif stat.S_ISDIR(mode.st_mode) and depth > 1:
            yield from _walk(path / entry.name, name + "/", depth - 1)
        else:
            raise ProtocolError(codes.BUNDLE_READ, f"{name[:120]!a} is a link, a device or nested too deep")


def _limit(name: str) -> int | None:
    if ".." in name:
        return None
    return next((limit for pattern, limit in _KINDS if pattern.match(name)), None)
