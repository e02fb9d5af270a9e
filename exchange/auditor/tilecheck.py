"""Recomputes every tile of an exported log from its entries, and says which tile and index is not as it must be (LOG-18).

Two trees are built side by side: one from the entries, one from the level-0 tiles on disk. The signed root says which of them
is right; the other is then wrong exactly where they differ.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from exchange.auditor import codes
from protocol.errors import Code, ProtocolError
from protocol.merkle import HASH, Frontier, leaf_hash
from protocol.tiles import ENTRIES, WIDTH, parse_bundle, tile_path, tile_width

Fetch: TypeAlias = Callable[[int, int, int], bytes]
"""A tile's bytes by level (``ENTRIES`` for a bundle), index and width. Raises ProtocolError when it cannot be read."""

NAMED: Final = 16  # faults that are named; the rest are counted


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is not as it must be: which tile, which index in the log or the tile's level, and why."""

    code: Code
    tile: str
    index: int
    says: str

    def __str__(self) -> str:
        return f"{self.tile} index {self.index}: {self.says}"


@dataclass(slots=True)
class Trees:
    """Both trees as far as they were read, and where they differ. ``entries`` grows only while a bundle can be read."""

    size: int
    from_entries: Frontier = field(default_factory=Frontier)
    from_tiles: Frontier = field(default_factory=Frontier)
    rows: list[dict[int, bytes]] = field(default_factory=list)  # level -> index -> hash, of the tree from entries
    differ: list[tuple[int, int, str]] = field(default_factory=list)  # leaf index, tile number, what was seen

    def hash_at(self, level: int, index: int) -> bytes | None:
        """A complete subtree of 256^level leaves of the tree from entries."""
        return self.rows[level].get(index) if level < len(self.rows) else None


def read_leaves(size: int, fetch: Fetch, see: Callable[[int, bytes], None]) -> Trees:
    """Read all bundles and level-0 tiles once, in order; ``see`` gets every entry that could be read, with its index."""
    trees = Trees(size)
    for number in range((size + WIDTH - 1) // WIDTH):
        width = tile_width(0, number, size)
        entries, why_entries = _bundle(fetch, number, width)
        hashes, why_tile = _hashes(fetch, 0, number, width)
        for place in range(width):
            index = number * WIDTH + place
            leaf = leaf_hash(entries[place]) if place < len(entries) else b""
            stored = hashes[place] if place < len(hashes) else b""
            if leaf != stored:
                trees.differ.append((index, number, why_entries or why_tile or "entry and leaf hash differ"))
            _grow(trees, leaf, stored, index)
            if leaf:
                see(index, entries[place])
        if why_tile and (not trees.differ or trees.differ[-1][1] != number):
            trees.differ.append((number * WIDTH + width - 1, number, why_tile))  # right hashes, and more after them
    return trees


def faults(trees: Trees, root: bytes, fetch: Fetch) -> Iterator[Fault]:
    """What is wrong, given the signed root: the side that does not rebuild it, where it differs; then the upper tiles."""
    good_entries = trees.from_entries.size == trees.size and trees.from_entries.root() == root
    good_tiles = trees.from_tiles.size == trees.size and trees.from_tiles.root() == root
    if not good_entries and not good_tiles:
        yield Fault(codes.LOG_ROOT, "checkpoint", trees.size, codes.LOG_ROOT.says)
    for index, number, why in trees.differ:
        width = tile_width(0, number, trees.size)
        if good_entries:
            yield Fault(codes.LOG_TILE, tile_path(0, number, width), index, why)
        else:
            yield Fault(codes.LOG_BUNDLE, tile_path(ENTRIES, number, width), index, why)
    if good_entries:
        yield from _upper(trees, fetch)


def _upper(trees: Trees, fetch: Fetch) -> Iterator[Fault]:
    level = 1
    while count := trees.size >> (8 * level):
        for number in range((count + WIDTH - 1) // WIDTH):
            width = tile_width(level, number, trees.size)
            name = tile_path(level, number, width)
            hashes, why = _hashes(fetch, level, number, width)
            good = 0
            for place in range(width):
                index = number * WIDTH + place
                if place < len(hashes) and hashes[place] == trees.hash_at(level, index):
                    good += 1
                else:
                    yield Fault(codes.LOG_TILE, name, index, why or "another hash than its entries make")
            if why and good == width:
                yield Fault(codes.LOG_TILE, name, number * WIDTH + width - 1, why)
        level += 1


def _grow(trees: Trees, leaf: bytes, stored: bytes, index: int) -> None:
    """Append to both trees; a tree that lacks a leaf stops growing and cannot reach the root any more."""
    if stored and trees.from_tiles.size == index:
        trees.from_tiles.append(stored)
    if not leaf or trees.from_entries.size != index:
        return
    for level, at, value in trees.from_entries.append(leaf):
        if level and level % 8 == 0:
            while len(trees.rows) <= level // 8:
                trees.rows.append({})
            trees.rows[level // 8][at] = value


def _bundle(fetch: Fetch, number: int, width: int) -> tuple[Sequence[bytes], str]:
    try:
        return parse_bundle(fetch(ENTRIES, number, width), width), ""
    except ProtocolError as error:
        return (), f"{error.code.says} ({error.detail})"


def _hashes(fetch: Fetch, level: int, number: int, width: int) -> tuple[Sequence[bytes], str]:
    try:
        data = fetch(level, number, width)
    except ProtocolError as error:
        return (), f"{error.code.says} ({error.detail})"
    why = "" if len(data) == width * HASH else f"{len(data)} bytes, not {width * HASH}"
    whole = range(0, len(data) - len(data) % HASH, HASH)
    return [data[at : at + HASH] for at in whole][:width], why
