"""Blocks made ahead come in order, few at a time, and leave no thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from exchange.outgoing.readahead import ahead


def _threads() -> int:
    return sum(each.name.startswith("ahead") for each in threading.enumerate())


def test_blocks_come_in_their_order() -> None:
    blocks = [b"%d" % number for number in range(1, 100)]
    assert list(ahead(iter(blocks))) == blocks
    assert list(ahead(iter([]))) == []
    assert list(ahead(iter([b"a", b"", b"after the end"]))) == [b"a"]
    assert _threads() == 0


def test_no_more_than_four_are_in_memory() -> None:
    made: list[int] = []

    def blocks() -> Iterator[bytes]:
        for number in range(100):
            made.append(number)
            yield b"x"

    used = 0
    for _ in ahead(blocks()):
        used += 1
        assert len(made) <= used + 3
    assert used == 100


def test_what_making_raises_is_raised_in_its_place() -> None:
    def blocks() -> Iterator[bytes]:
        yield b"a"
        yield b"b"
        raise ValueError("torn")

    taken = []
    with pytest.raises(ValueError, match="torn"):
        for block in ahead(blocks()):
            taken.append(block)  # noqa: PERF402 - until it raises
    assert taken == [b"a", b"b"]
    assert _threads() == 0


def test_who_stops_before_the_end_leaves_no_thread() -> None:
    blocks = ahead(iter([b"x"] * 100))
    next(blocks)
    assert _threads() == 1
    blocks.close()
    assert _threads() == 0
