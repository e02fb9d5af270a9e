"""Hashes of complete subtrees kept in memory: those of the newest tiles, which grow, and those of tiles read lately.

A path needs hashes inside one tile and a few above it; whatever is not here is one row of the database away. So little is kept, and the
memory is full after some thousand entries, whatever the size of the log.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from protocol.merkle import HASH, node_hash
from protocol.tiles import HEIGHT

_GROWN: Final = 32  # tiles of leaves: at least the newest 7,936
_ABOVE: Final = 2  # tiles of each level above, of which one lies above 65,536 leaves
_READ: Final = 8  # older tiles
_Rows = list[list[bytes]]  # of one tile: its hashes, those of pairs of them, and so on


class Subtrees:
    """Named by (level, index) as in ``merkle``. One thread lets it grow; any may ask."""

    def __init__(self) -> None:
        self._grown: dict[tuple[int, int], _Rows] = {}
        self._read: dict[tuple[int, int], _Rows] = {}

    def get(self, level: int, index: int) -> bytes | None:
        """The hash of this subtree, when it is here."""
        tile_level, height = divmod(level, HEIGHT)
        width = HEIGHT - height
        key = tile_level, index >> width
        rows = self._grown.get(key) or self._read.get(key)
        if rows is None:
            return None
        row, at = rows[height], index & ((1 << width) - 1)
        return row[at] if at < len(row) else None

    def begin(self, tile_level: int, index: int, tile: bytes) -> None:
        """The tile at the right edge, which grows from here on."""
        self._grown[tile_level, index] = _rows(tile)

    def grow(self, nodes: Iterable[tuple[int, int, bytes]]) -> None:
        """Subtrees that became complete, as (level, index, hash), in the order of ``Frontier.append``."""
        for level, index, value in nodes:
            tile_level, height = divmod(level, HEIGHT)
            width = HEIGHT - height
            key = tile_level, index >> width
            rows = self._grown.get(key)
            if rows is None:
                rows = self._grown[key] = _rows(b"")
                self._grown.pop((tile_level, key[1] - (_ABOVE if tile_level else _GROWN)), None)
            if len(rows[height]) == index & ((1 << width) - 1):  # else its beginning is not here
                rows[height].append(value)

    def keep(self, tile_level: int, index: int, tile: bytes, above: bytes) -> bool:
        """A full tile that was read, when its hash is the one that the tile above has of it; whether it is."""
        rows = _rows(tile)
        if node_hash(*rows[-1]) != above:
            return False
        if len(self._read) >= _READ:
            self._read.clear()  # one by one, each removal would look past all that went before it
        self._read[tile_level, index] = rows
        return True

    def clear(self) -> None:
        """Forget all: whatever is asked for next is read."""
        self._grown.clear()
        self._read.clear()


def _rows(tile: bytes) -> _Rows:
    row = [tile[at : at + HASH] for at in range(0, len(tile), HASH)]
    rows = [row]
    while len(rows) < HEIGHT:
        row = [node_hash(row[at], row[at + 1]) for at in range(0, len(row) - 1, 2)]
        rows.append(row)
    return rows
