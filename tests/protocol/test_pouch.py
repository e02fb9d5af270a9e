"""A pouch as it leaves: whole, and in slices."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import cbor, limits
from protocol.entries import Lane
from protocol.pouch import Frame, HeadOffer, PouchHead, encode_head, encode_pouch, parse_head, parse_items

HEAD = PouchHead(Lane.ROUTINE, HeadOffer(9, (bytes(32),), b"note"), 7, 3)
SLICE = 1 << 16  # bytes: what one write gives TLS


@given(st.lists(st.integers(0, 200_000).map(bytes), max_size=12))
def test_the_slices_are_the_whole(items: list[bytes]) -> None:
    frame = Frame(encode_head(HEAD), items)
    slices = list(frame.slices())
    assert b"".join(slices) == bytes(frame) == encode_pouch(HEAD, items) == encode_head(HEAD) + cbor.encode(items)
    assert len(frame) == len(bytes(frame))
    assert all(len(each) >= SLICE for each in slices[:-1])
    assert all(len(each) < 2 * SLICE + max(map(len, items), default=0) for each in slices)


def test_what_leaves_is_read() -> None:
    items = [bytes([n]) * 6500 for n in range(256)]
    raw = bytes(Frame(encode_head(HEAD), items))
    about, start = parse_head(raw)
    assert about == HEAD
    assert parse_items(raw, start) == items


def test_a_pouch_of_more_items_than_may_be_is_not_made() -> None:
    with pytest.raises(ValueError, match="more items"):
        encode_pouch(HEAD, [b""] * (limits.CBOR_ITEMS + 1))
