"""What a node serves of its directory, and how it takes files from another node's.

    GET <peer port>/directory/<name>      the answer of ``read``; 404 for None

Every node serves what it has verified itself, so a network needs no central server; a liar can only refuse or delay (DIR-13,
DIR-14). The reading side wraps its download in ``take``, which counts bytes and time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from keys.directory import codes
from keys.directory.store import TIMESTAMP, Store, check_name
from protocol import limits
from protocol.errors import LocalError, PassingError, ProtocolError

SLOW_BYTES: Final = 1024  # per second
SLOW_AFTER: Final = 30 * limits.SECOND


def names(folder: Path) -> tuple[str, ...]:
    """The files that this node serves, sorted: everything verified, and ``timestamp.json`` for the one in force."""
    store = Store(folder)
    found = {TIMESTAMP} if store.in_force() else set()
    for path in folder.rglob("*.json"):
        name = path.relative_to(folder).as_posix()
        if _served(store, name):
            found.add(name)
    return tuple(sorted(found))


def read(folder: Path, name: str) -> bytes | None:
    """The bytes to serve under ``name``, None when there is no such file here. Never leaves the folder, whatever the name."""
    store = Store(folder)
    versions = store.in_force()
    if name == TIMESTAMP:
        return store.read(f"{versions[1]}.timestamp.json") if versions else None
    return store.read(name) if _served(store, name) else None


def limit_of(name: str) -> int:
    """The most bytes that a file of this name may have. Raises DIRECTORY-FILE-NAME."""
    if name == TIMESTAMP:
        return limits.DIRECTORY_ENTRY
    of_one = check_name(name).startswith("authorities/") or ".authority-" in name
    return limits.DIRECTORY_ENTRY if of_one else limits.DIRECTORY


def take(name: str, chunks: Iterable[bytes], clock: Callable[[], int]) -> bytes:
    """Gather a download, giving up when it is too large or too slow. ``clock``: monotonic, in ms.

    Raises DIRECTORY-TOO-LARGE at the first byte beyond the limit; PassingError DIRECTORY-TOO-SLOW after any 30 seconds with
    less than 1 KiB a second. A peer that sends nothing at all is the caller's to time out: nothing arrives here then.
    """
    limit, gathered = limit_of(name), bytearray()
    since, at = clock(), 0
    for chunk in chunks:
        gathered += chunk
        if len(gathered) > limit:
            raise ProtocolError(codes.DIRECTORY_TOO_LARGE, name)
        now = clock()
        if now - since >= SLOW_AFTER:
            if (len(gathered) - at) * limits.SECOND < SLOW_BYTES * (now - since):
                raise PassingError(codes.DIRECTORY_TOO_SLOW, name)
            since, at = now, len(gathered)
    return bytes(gathered)


def _served(store: Store, name: str) -> bool:
    try:
        return store.has(name)
    except LocalError:
        return False
