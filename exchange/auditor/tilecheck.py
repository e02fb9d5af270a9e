"""Recomputes every tile of an exported log from its entries, and says which tile and index is not as it must be (LOG-18).

Two trees are built side by side: one from the entries, one from the level-0 tiles on disk. The signed root says which of them
is right; the other is then wrong exactly where they differ. As long as they are one tree, it is built once, a tile at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Final, Protocol, TypeAlias

from exchange.auditor import codes
from protocol.errors import Code, ProtocolError
from protocol.merkle import HASH, Frontier, leaf_hash, node_hash
from protocol.tiles import ENTRIES, HEIGHT, WIDTH, parse_bundle, tile_path, tile_width

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
    tiles_apart: Frontier | None = None  # once both are no longer one
    rows: list[dict[int, bytes]] = field(default_factory=list)  # level -> index -> hash, of the tree from entries
    differ: list[tuple[int, int, str]] = field(default_factory=list)  # leaf index, tile number, what was seen

    @property
    def from_tiles(self) -> Frontier:
        """The tree from level-0 tiles."""
        return self.from_entries if self.tiles_apart is None else self.tiles_apart

    def hash_at(self, level: int, index: int) -> bytes | None:
        """A complete subtree of 256^level leaves of the tree from entries."""
        return self.rows[level].get(index) if level < len(self.rows) else None


class Reader(Protocol):
    """Whoever reads the log while its tiles are checked."""

    def see(self, index: int, entry: bytes) -> None:
        """An entry that could be read; in order."""
        ...

    def end_tile(self, before: Frontier, leaves: Sequence[bytes]) -> None:
        """The tree before the tile that was just read, and the tile's leaf hashes as its entries make them."""
        ...


def read_leaves(size: int, fetch: Fetch, reader: Reader) -> Trees:
    """Read all bundles and level-0 tiles once, in order; ``reader`` gets every entry that could be read, with its index."""
    trees = Trees(size)
    for number in range((size + WIDTH - 1) // WIDTH):
        width = tile_width(0, number, size)
        entries, why_entries = _bundle(fetch, number, width)
        hashes, why_tile = _hashes(fetch, 0, number, width)
        leaves = [leaf_hash(entry) for entry in entries]
        before = trees.from_entries.copy()
        if leaves == hashes and not trees.differ and not why_tile:
            _grow_whole(trees, leaves)
        else:
            _grow_apart(trees, leaves, hashes, number, why_entries or why_tile or "entry and leaf hash differ")
            if why_tile and (not trees.differ or trees.differ[-1][1] != number):
                trees.differ.append((number * WIDTH + width - 1, number, why_tile))  # right hashes, and more after them
        for index, entry in enumerate(entries, number * WIDTH):
            reader.see(index, entry)
        reader.end_tile(before, leaves)
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


def _grow_whole(trees: Trees, leaves: Sequence[bytes]) -> None:
    """Append a tile to the one tree that both are so far."""
    frontier = trees.from_entries
    if len(leaves) < WIDTH:
        for leaf in leaves:
            frontier.append(leaf)
    else:
        row = leaves
        while len(row) > 1:
            row = [node_hash(row[at], row[at + 1]) for at in range(0, len(row), 2)]
        _keep(trees, frontier.append_subtree(HEIGHT, row[0]))


def _grow_apart(trees: Trees, leaves: Sequence[bytes], hashes: Sequence[bytes], number: int, why: str) -> None:
    """Append a tile to both trees, leaf by leaf, from the first one on in which they are not the same."""
    if trees.tiles_apart is None:
        trees.tiles_apart = trees.from_entries.copy()
    for place, (leaf, stored) in enumerate(zip_longest(leaves, hashes, fillvalue=b"")):
        index = number * WIDTH + place
        if leaf != stored:
            trees.differ.append((index, number, why))
        # a tree that lacks a leaf stops growing and cannot reach the root any more
        if stored and trees.tiles_apart.size == index:
            trees.tiles_apart.append(stored)
        if leaf and trees.from_entries.size == index:
            _keep(trees, trees.from_entries.append(leaf))


def _keep(trees: Trees, grown: Iterable[tuple[int, int, bytes]]) -> None:
    for level, at, value in grown:
        if level and level % HEIGHT == 0:
            while len(trees.rows) <= level // HEIGHT:
                trees.rows.append({})
            trees.rows[level // HEIGHT][at] = value


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
