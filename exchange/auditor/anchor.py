"""Check 2: from the trust root to the directory, over the metadata that the bundle carries.

The trust root comes from elsewhere: a bundle that brings its own root can say what it likes, and is *not anchored*.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from exchange.auditor import codes
from exchange.auditor.folder import Folder
from keys.directory.trust import verify_files
from keys.directory.view import Directory
from protocol import limits
from protocol.errors import PassingError, ProtocolError

PREFIX: Final = "directory/"
ROOT: Final = "directory/1.root.json"
TOTAL: Final = 512 * limits.MiB  # all metadata together; a network of a thousand authorities has a few


@dataclass(frozen=True, slots=True)
class Trust:
    """What the caller brings: the network's first root file from elsewhere, or None; and the time now (ms)."""

    root: bytes | None
    now: int


class Metadata(Mapping[str, bytes]):
    """The bundle's directory files by their names there, each read when it is asked for."""

    __slots__ = ("_folder",)

    def __init__(self, folder: Folder) -> None:
        self._folder = folder

    def __getitem__(self, name: str) -> bytes:
        if PREFIX + name not in self._folder.sizes:
            raise KeyError(name)
        return self._folder.read(PREFIX + name)

    def __iter__(self) -> Iterator[str]:
        return (name.removeprefix(PREFIX) for name in self._folder.sizes if name.startswith(PREFIX))

    def __len__(self) -> int:
        return sum(1 for _ in self)


def check_trust(folder: Folder, trust: Trust) -> tuple[Directory, str]:
    """Check 2: the directory under the trust root, or under the bundle's own when there is none.

    Raises TRUST-ROOT when the bundle is of another network, BUNDLE-MISSING, BUNDLE-SIZE, and the DIRECTORY-* codes. Expired
    metadata is good evidence of what held when it was made; what changed later it cannot show, and the sentence says so.
    """
    if sum(size for name, size in folder.sizes.items() if name.startswith(PREFIX)) > TOTAL:
        raise ProtocolError(codes.BUNDLE_SIZE, "directory/ altogether")
    own = folder.read(ROOT)
    if trust.root is not None and own != trust.root:
        raise ProtocolError(codes.TRUST_ROOT)
    try:
        found = verify_files(own, Metadata(folder))
    except PassingError as error:
        raise ProtocolError(codes.BUNDLE_MISSING, f"directory/{error.detail}") from None
    late = "" if trust.now < found.expires else f"; it was good until {utc(found.expires)}, later changes are not shown here"
    return found, f"{found.kind} network {found.network}, directory version {found.version}{late}"


def utc(ms: int) -> str:
    """A time in ms as people read it."""
    try:
        return datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return f"{ms} ms"
