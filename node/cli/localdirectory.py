"""Directory files from a folder: of founders and keepers, or a copy on a stick. Verified by whoever takes them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from keys.directory import mirror


def fetch_from(folder: Path) -> Callable[[str], bytes]:
    """A ``trust.Fetch`` of what this folder serves."""

    def fetch(name: str) -> bytes:
        data = mirror.read(folder, name)
        if data is None:
            raise FileNotFoundError(name)
        return data

    return fetch
