"""C2SP tlog-tiles: the log as files that never change once full.

    tile/<L>/<N>[.p/<W>]         256 hashes (W in a partial tile) of the subtrees of 256^L leaves
    tile/entries/<N>[.p/<W>]     256 entries, each with a big-endian u16 length before it

``N`` is written in groups of three digits, all but the last with an ``x``: 1234067 is ``x001/x234/067``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from protocol import codes
from protocol.errors import ProtocolError
from protocol.merkle import HASH, MAX_SIZE, node_hash

WIDTH: Final = 256
HEIGHT: Final = 8  # 2^8 = 256
ENTRIES: Final = -1  # stands for "entries" where a tile's level is wanted
ENTRY_LENGTH: Final = 0xFFFF  # what a u16 can say

Fetch: TypeAlias = Callable[[int, int, int], bytes]

_PATH = re.compile(
    r"tile/(?P<level>entries|[0-9]|[1-5][0-9]|6[0-3])/"
    r"(?P<index>(?:x[0-9]{3}/){0,6}[0-9]{3})"
    r"(?:\.p/(?P<width>[1-9][0-9]{0,2}))?\Z"
)


@dataclass(frozen=True, slots=True, order=True)
class Tile:
    """One tile: its level (``ENTRIES`` for a bundle of entries), its index in the level, and how many of 256 it holds."""

    level: int
    index: int
    width: int = WIDTH

    def __str__(self) -> str:
        level = "entries" if self.level == ENTRIES else str(self.level)
        part = "" if self.width == WIDTH else f".p/{self.width}"
        return f"tile/{level}/{_format_index(self.index)}{part}"

    @classmethod
    def parse(cls, path: str) -> Tile:
        """The tile a path names. Raises TILE-PATH."""
        found = _PATH.match(path)
        if not found:
            raise ProtocolError(codes.TILE_PATH, repr(path[:80]))
        level, digits, width = found["level"], found["index"].replace("x", "").replace("/", ""), found["width"]
        tile = cls(ENTRIES if level == "entries" else int(level), int(digits), int(width or WIDTH))
        # one path per tile: no leading x000, no width that means a full tile, no index beyond any tree
        if str(tile) != path or tile.width > WIDTH or tile.index > MAX_SIZE // WIDTH:
            raise ProtocolError(codes.TILE_PATH, repr(path[:80]))
        return tile


def tile_path(level: int, index: int, width: int = WIDTH) -> str:
    """The path of a tile; level ``ENTRIES`` gives the path of a bundle."""
    return str(Tile(level, index, width))


def tile_width(level: int, index: int, size: int) -> int:
    """How many hashes (entries, with level ``ENTRIES``) this tile holds in a tree of ``size`` leaves: 0 to 256."""
    return max(0, min(WIDTH, (size >> (HEIGHT * max(level, 0))) - index * WIDTH))


def tiles_of(old_size: int, new_size: int) -> Iterator[tuple[int, int, int]]:
    """The (level, index, width) of every tile that changes when a tree grows, widths as in the new tree.

    The bundles of entries that change are those of level 0.
    """
    level = 0
    old, new = old_size, new_size
    while new > old:
        for index in range(old // WIDTH, (new + WIDTH - 1) // WIDTH):
            yield level, index, min(WIDTH, new - index * WIDTH)
        level, old, new = level + 1, old >> HEIGHT, new >> HEIGHT


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    """1 to 256 entries as one bundle. Raises TILE-ENTRY for an entry longer than 65,535 bytes (LOG-19)."""
    if not 1 <= len(entries) <= WIDTH:
        raise ValueError(f"{len(entries)} entries in a bundle")
    out = bytearray()
    for place, entry in enumerate(entries):
        if len(entry) > ENTRY_LENGTH:
            raise ProtocolError(codes.TILE_ENTRY, f"entry {place} of the bundle has {len(entry)} bytes")
        out += len(entry).to_bytes(2, "big")
        out += entry
    return bytes(out)


def parse_bundle(data: bytes, width: int) -> list[bytes]:
    """The entries of a bundle. Raises TILE-BUNDLE unless there are exactly ``width`` and nothing after them."""
    entries: list[bytes] = []
    at = 0
    while at < len(data):
        start = at + 2
        at = start + int.from_bytes(data[at:start], "big")
        entries.append(data[start:at])
    # an entry cut short leaves ``at`` beyond the end
    if at != len(data) or len(entries) != width:
        raise ProtocolError(
            codes.TILE_BUNDLE, f"{len(entries)} entries in {len(data)} bytes that end at {at}, not {width} entries"
        )
    return entries


class TileReader:
    """Hashes of complete subtrees, read from tiles (implements ``merkle.HashReader``).

    ``fetch(level, index, width)`` gives a tile's bytes, at least ``width`` hashes. With ``size`` the width asked for is the
    tile's width in that tree, the only one a remote log need serve; without, it is the least that is needed.
    The tiles read are kept: make one reader per proof or per tree size, not one for ever.
    """

    __slots__ = ("_fetch", "_size", "_tiles")

    def __init__(self, fetch: Fetch, size: int | None = None) -> None:
        self._fetch = fetch
        self._size = size
        self._tiles: dict[tuple[int, int], bytes] = {}

    def node(self, level: int, index: int) -> bytes:
        """The hash of a complete subtree. Raises TILE-WIDTH when the tile fetched does not hold it."""
        tile_level, height = divmod(level, HEIGHT)
        tile_index, first = divmod(index << height, WIDTH)
        tile = self._tile(tile_level, tile_index, first + (1 << height))
        row = [tile[at : at + HASH] for at in range(first * HASH, (first + (1 << height)) * HASH, HASH)]
        while len(row) > 1:
            row = [node_hash(row[i], row[i + 1]) for i in range(0, len(row), 2)]
        return row[0]

    def _tile(self, level: int, index: int, need: int) -> bytes:
        tile = self._tiles.get((level, index), b"")
        if len(tile) >= need * HASH:
            return tile
        width = need if self._size is None else tile_width(level, index, self._size)
        tile = self._fetch(level, index, max(width, need))
        if len(tile) % HASH or not need * HASH <= len(tile) <= WIDTH * HASH:
            raise ProtocolError(
                codes.TILE_WIDTH, f"{tile_path(level, index)}: {len(tile)} bytes where {need} hashes are needed"
            )
        self._tiles[level, index] = tile
        return tile


def _format_index(index: int) -> str:
    groups = [f"{index % 1000:03}"]
    while index := index // 1000:
        groups.insert(0, f"x{index % 1000:03}")
    return "/".join(groups)
