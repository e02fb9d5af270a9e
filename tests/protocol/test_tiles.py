"""Tiles: paths, bundles, which tiles change, and hashes read back from them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import codes, merkle, tiles
from protocol.errors import ProtocolError
from protocol.tiles import ENTRIES, Tile, TileReader
from tests.protocol.c2sp import Tree


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        (Tile(0, 0), "tile/0/000"),
        (Tile(0, 0, 1), "tile/0/000.p/1"),
        (Tile(1, 67, 255), "tile/1/067.p/255"),
        (Tile(0, 1234067), "tile/0/x001/x234/067"),
        (Tile(63, 999), "tile/63/999"),
        (Tile(2, 1000), "tile/2/x001/000"),
        (Tile(ENTRIES, 1000, 3), "tile/entries/x001/000.p/3"),
        (Tile(0, 2**55), f"tile/0/{'/'.join('x' + g for g in ('036', '028', '797', '018', '963'))}/968"),
    ],
)
def test_paths(tile: Tile, path: str) -> None:
    assert str(tile) == path
    assert tiles.tile_path(tile.level, tile.index, tile.width) == path
    assert Tile.parse(path) == tile


@pytest.mark.parametrize(
    "path",
    [
        "",
        "tile/0/0",
        "tile/0/00",
        "tile/0/0000",
        "tile/0/x000/001",  # another spelling of tile/0/001
        "tile/0/x001",
        "tile/0/001/002",
        "tile/00/001",
        "tile/64/001",
        "tile/-1/001",
        "tile/data/001",
        "tile/0/001.p/0",
        "tile/0/001.p/01",
        "tile/0/001.p/256",  # a full tile has no suffix
        "tile/0/001.p/257",
        "tile/0/001.p/",
        "/tile/0/001",
        "tile/0/001\n",
        "tile/0/001/",
        "tile/0/../001",
        "tile/0/٠٠١",
        "tile/0/x036/x028/x797/x018/x963/969",
        "tile/0/x001/x001/x036/x028/x797/x018/x963/968",
    ],
)
def test_paths_refused(path: str) -> None:
    with pytest.raises(ProtocolError) as refused:
        Tile.parse(path)
    assert refused.value.code is codes.TILE_PATH


@given(st.integers(-1, 63), st.integers(0, 2**55), st.integers(1, 256))
def test_every_tile_has_one_path(level: int, index: int, width: int) -> None:
    tile = Tile(level, index, width)
    assert Tile.parse(str(tile)) == tile


@given(st.text(alphabet="tile/entris0123456789x.p"))
def test_any_path_is_a_tile_or_refused(path: str) -> None:
    try:
        assert str(Tile.parse(path)) == path
    except ProtocolError as refused:
        assert refused.code is codes.TILE_PATH


# bundles


def test_bundle_example() -> None:
    assert tiles.encode_bundle([b"ab", b"", b"c"]) == b"\0\2ab\0\0\0\1c"
    assert tiles.parse_bundle(b"\0\2ab\0\0\0\1c", 3) == [b"ab", b"", b"c"]


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=256))
def test_bundles_parse_back(entries: list[bytes]) -> None:
    assert tiles.parse_bundle(tiles.encode_bundle(entries), len(entries)) == entries


@given(st.binary(max_size=30), st.integers(0, 4))
def test_any_bundle_parses_or_is_refused(data: bytes, width: int) -> None:
    try:
        entries = tiles.parse_bundle(data, width)
    except ProtocolError as refused:
        assert refused.code is codes.TILE_BUNDLE
    else:
        assert b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries) == data


@pytest.mark.parametrize(
    ("data", "width"),
    [(b"", 1), (b"\0", 1), (b"\0\1", 1), (b"\0\1a", 2), (b"\0\1a", 0), (b"\0\1a\0", 1), (b"\0\1a\0\1b", 1), (b"\0\3ab", 1)],
)
def test_bundles_refused(data: bytes, width: int) -> None:
    with pytest.raises(ProtocolError) as refused:
        tiles.parse_bundle(data, width)
    assert refused.value.code is codes.TILE_BUNDLE


def test_LOG_19_entry_of_65_536_bytes_is_refused() -> None:
    longest = bytes(65_535)
    assert tiles.parse_bundle(tiles.encode_bundle([longest, b"x"]), 2) == [longest, b"x"]
    with pytest.raises(ProtocolError) as refused:
        tiles.encode_bundle([b"x", longest + b"\0"])
    assert refused.value.code is codes.TILE_ENTRY
    assert "entry 1 " in str(refused.value)


def test_a_full_bundle() -> None:
    entries = [b"%d" % i for i in range(256)]
    assert tiles.parse_bundle(tiles.encode_bundle(entries), 256) == entries


def test_a_tile_that_its_tree_does_not_have_is_0_wide() -> None:
    assert [tiles.tile_width(level, index, 257) for level, index in ((0, 2), (1, 1), (2, 0), (ENTRIES, 2))] == [0] * 4
    assert [tiles.tile_width(level, index, 257) for level, index in ((0, 1), (1, 0), (ENTRIES, 1))] == [1] * 3


def test_bundle_of_no_or_too_many_entries_is_a_bug_of_ours() -> None:
    for entries in ([], [b""] * 257):
        with pytest.raises(ValueError, match="entries in a bundle"):
            tiles.encode_bundle(entries)


# which tiles there are


def all_tiles(size: int) -> set[tuple[int, int, int]]:
    """Every tile of a tree, from the definition: floor(size / 256^level) hashes at each level, 256 to a tile."""
    found = set()
    for level in range(8):
        hashes = size // 256**level
        for index in range(-(-hashes // 256)):
            found.add((level, index, min(256, hashes - 256 * index)))
    return found


def test_the_example_of_the_specification() -> None:
    of_70_000 = all_tiles(70_000)
    assert set(tiles.tiles_of(0, 70_000)) == of_70_000
    assert {(0, 273, 112), (1, 0, 256), (1, 1, 17), (2, 0, 1)} < of_70_000
    assert set(tiles.tiles_of(0, 256)) == {(0, 0, 256), (1, 0, 1)}


@given(st.integers(0, 70_000), st.integers(0, 1000))
def test_tiles_that_change(old: int, more: int) -> None:
    changed = list(tiles.tiles_of(old, old + more))
    assert len(changed) == len(set(changed))
    assert set(changed) == all_tiles(old + more) - all_tiles(old)
    assert all(tiles.tile_width(level, index, old + more) == width for level, index, width in changed)


# reading


class Files:
    """The tiles of a log as files by path: what a remote log serves, and no more."""

    def __init__(self, tree: Tree, size: int) -> None:
        self.asked: list[str] = []
        self.files = {
            tiles.tile_path(level, index, width): b"".join(
                tree.node(8 * level, at) for at in range(256 * index, 256 * index + width)
            )
            for level, index, width in tiles.tiles_of(0, size)
        }

    def fetch(self, level: int, index: int, width: int) -> bytes:
        self.asked.append(tiles.tile_path(level, index, width))
        return self.files[self.asked[-1]]


BIG = Tree([b"%d" % i for i in range(70_000)])


@pytest.mark.parametrize("size", [1, 255, 256, 257, 511, 512, 65_535, 65_536, 65_537, 70_000])
def test_reader_needs_only_the_tiles_of_its_size(size: int) -> None:
    files = Files(BIG, size)
    reader = TileReader(files.fetch, size)
    root = merkle.root(size, BIG)
    assert merkle.root(size, reader) == root
    for index in {0, size // 2, size - 1}:
        merkle.check_inclusion(BIG.node(0, index), index, size, merkle.inclusion(index, size, reader), root)
    for old in {1, size // 3 + 1, size}:
        merkle.check_consistency(old, size, merkle.consistency(old, size, reader), merkle.root(old, BIG), root)
    assert len(files.asked) == len(set(files.asked))  # each tile at most once


def test_reader_without_a_size_asks_for_the_least_and_takes_more() -> None:
    asked = []

    def fetch(level: int, index: int, width: int) -> bytes:
        asked.append((level, index, width))
        return b"".join(BIG.node(8 * level, 256 * index + at) for at in range(width + (1 if width < 5 else 0)))

    reader = TileReader(fetch)
    assert reader.node(1, 1) == BIG.node(1, 1)
    assert reader.node(0, 4) == BIG.node(0, 4)
    assert reader.node(0, 5) == BIG.node(0, 5)
    assert asked == [(0, 0, 4), (0, 0, 6)]


@pytest.mark.parametrize("length", [0, 32 * 9, 32 * 10 - 1, 32 * 10 + 1, 32 * 257])
def test_LOG_18_tile_truncated_or_swollen(length: int) -> None:
    with pytest.raises(ProtocolError) as refused:
        TileReader(lambda level, index, width: bytes(length), 10).node(1, 4)
    assert refused.value.code is codes.TILE_WIDTH
    assert "tile/0/000" in str(refused.value)
