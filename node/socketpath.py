"""The address of a Unix socket, however long the path to it: systems hold about a hundred bytes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_PATH: Final = 100  # bytes that a socket's address holds on every system, less a few


@contextmanager
def reachable(path: Path) -> Iterator[str]:
    """What to bind or connect to. A path too long for an address is reached through its open folder (Linux)."""
    if len(os.fsencode(path)) <= _PATH:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
