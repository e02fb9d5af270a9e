"""The hashes of complete subtrees in memory are those of the tree, and few."""

from __future__ import annotations

import os

from exchange import subtrees
from exchange.subtrees import Subtrees
from protocol import merkle
from protocol.merkle import Frontier
from protocol.tiles import WIDTH


def _grown(first: int, leaves: int) -> tuple[Subtrees, dict[tuple[int, int], bytes]]:
    """Subtrees kept from entry ``first`` on, as after a start there; and all that there are."""
    kept, frontier, all_ = Subtrees(), Frontier(), {}
    for number in range(leaves):
        if number == first:
            for level in range(2):
                index, width = divmod(number >> (8 * level), WIDTH)
                kept.begin(level, index, b"".join(all_[8 * level, WIDTH * index + at] for at in range(width)))
        done = frontier.append(os.urandom(merkle.HASH))
        all_ |= {(level, index): value for level, index, value in done}
        if number >= first:
            kept.grow(done)
    return kept, all_


def test_what_grew_is_found_also_after_a_start_within_a_tile() -> None:
    kept, all_ = _grown(300, 1000)
    for (level, index), value in all_.items():
        inside = ((index + 1) << level > WIDTH and level < 8) or level >= 8
        assert kept.get(level, index) == (value if inside else None), (level, index)
    assert kept.get(0, 1000) is None
    assert kept.get(9, 7) is None


def test_a_tile_that_was_read_gives_all_its_hashes() -> None:
    kept, all_ = _grown(300, 1000)
    tile = b"".join(all_[0, at] for at in range(WIDTH))
    assert not kept.keep(0, 0, tile[:-1] + bytes([tile[-1] ^ 1]), all_[8, 0])
    assert kept.get(0, 0) is None
    assert kept.keep(0, 0, tile, all_[8, 0])
    assert all(kept.get(level, index) == value for (level, index), value in all_.items())


def test_what_is_not_here_from_its_beginning_is_not_here() -> None:
    kept, all_ = Subtrees(), Frontier()
    done = [node for _ in range(WIDTH + 10) for node in all_.append(os.urandom(merkle.HASH))]
    kept.grow(node for node in done if node[:2] != (0, 0))
    assert kept.get(0, 1) is None
    assert kept.get(0, WIDTH + 3) is not None


def test_the_oldest_tiles_are_forgotten() -> None:
    kept, frontier = Subtrees(), Frontier()
    for _ in range((subtrees._GROWN + 3) * WIDTH):
        kept.grow(frontier.append(bytes(merkle.HASH)))
    assert [kept.get(0, WIDTH * tile) is None for tile in range(subtrees._GROWN + 3)] == [True] * 3 + [False] * subtrees._GROWN
    above = kept.get(8, 0)
    assert above is not None
    for number in range(100, 100 + 2 * subtrees._READ):
        assert kept.keep(0, number, bytes(WIDTH * merkle.HASH), above)
    assert len(kept._read) <= subtrees._READ


def test_above_the_leaves_two_tiles_are_kept() -> None:
    kept = Subtrees()
    for index in range(5 * WIDTH):
        kept.grow([(8, index, bytes(merkle.HASH))])
    assert [kept.get(8, WIDTH * tile) is None for tile in range(5)] == [True] * 3 + [False] * 2
