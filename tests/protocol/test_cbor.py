"""The encoding: tables for every first byte, properties for every value and every byte string."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from protocol import codes, limits
from protocol.cbor import Value, decode, encode, pieces
from protocol.errors import ProtocolError

scalars = (
    st.integers(-(2**64), 2**64 - 1)
    | st.sampled_from([0, 23, 24, 255, 256, 65535, 65536, 2**32 - 1, 2**32, 2**64 - 1, -1, -24, -25, -256, -257, -(2**64)])
    | st.binary(max_size=300)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=80)
    | st.booleans()
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.integers(0, 23), inner, max_size=6),
    max_leaves=30,
).filter(lambda value: _depth(value) <= limits.CBOR_DEPTH)

EXAMPLES: list[tuple[Value, str]] = [
    (0, "00"),
    (23, "17"),
    (24, "1818"),
    (255, "18ff"),
    (256, "190100"),
    (65535, "19ffff"),
    (65536, "1a00010000"),
    (2**32 - 1, "1affffffff"),
    (2**32, "1b0000000100000000"),
    (2**64 - 1, "1bffffffffffffffff"),
    (-1, "20"),
    (-24, "37"),
    (-25, "3818"),
    (-(2**64), "3bffffffffffffffff"),
    (b"", "40"),
    (b"\x01\x02", "420102"),
    (bytes(24), "5818" + "00" * 24),
    ("", "60"),
    ("é", "62c3a9"),
    ("\U0001f600", "64f09f9880"),
    ([], "80"),
    ([1, [2, []]], "8201820280"),
    ({}, "a0"),
    ({0: True, 2: -1}, "a200f50220"),
    (False, "f4"),
    (True, "f5"),
    ([1, b"\x01\x02", "é", {0: True, 2: -1}], "840142010262c3a9a200f50220"),  # the page of the format
]


@pytest.mark.parametrize("value, wire", EXAMPLES, ids=[wire[:24] for _, wire in EXAMPLES])
def test_examples(value: Value, wire: str) -> None:
    assert encode(value).hex() == wire
    assert _same(decode(bytes.fromhex(wire)), value)


@given(values)
def test_what_is_written_is_read(value: Value) -> None:
    assert _same(decode(encode(value)), value)


@given(values, st.binary(max_size=40))
def test_what_is_written_is_read_behind_other_bytes(value: Value, before: bytes) -> None:
    assert _same(decode(before + encode(value), len(before)), value)


def test_pieces_copy_no_byte_string() -> None:
    items = [bytes([n]) * 6500 for n in range(3)]
    written = pieces(items)
    assert b"".join(written) == b"\x83" + b"".join(b"\x59\x19\x64" + item for item in items)
    assert all(any(piece is item for piece in written) for item in items)


@given(st.binary(max_size=64) | values.map(encode).flatmap(lambda raw: _changed(raw[:400])))
@example(b"\xf5")
@example(b"\xa1\x00\xa1\x00\x80")
def test_any_bytes_give_a_value_or_CBOR_FORM(data: bytes) -> None:
    try:
        value = decode(data)
    except ProtocolError as refusal:
        assert refusal.code is codes.CBOR_FORM
    else:
        assert encode(value) == data


@pytest.mark.parametrize("first", range(256))
def test_every_first_byte_alone(first: int) -> None:
    """A head that is a whole item by itself, and no other, is taken."""
    alone = {*range(24), *range(0x20, 0x38), 0x40, 0x60, 0x80, 0xA0, 0xF4, 0xF5}
    if first in alone:
        assert encode(decode(bytes([first]))) == bytes([first])
    else:
        _refused(bytes([first]))


def test_two_bytes_are_all_tried() -> None:
    taken = 0
    for n in range(0x10000):
        data = n.to_bytes(2, "big")
        try:
            value = decode(data)
        except ProtocolError as refusal:
            assert refusal.code is codes.CBOR_FORM
        else:
            assert encode(value) == data
            taken += 1
    one = 24 + 24 + 4 + 2  # whole items of one byte
    # 24..255 either sign; one byte of binary; one of ASCII but U+0000; an array of one item
    assert taken == 2 * 232 + 256 + 127 + one


def test_true_is_not_one() -> None:
    assert decode(b"\xf5") is True
    assert decode(b"\x01") is not True
    assert encode(True) != encode(1)


def test_maps_are_written_in_the_order_of_their_keys() -> None:
    assert encode({2: 0, 0: 1, 1: 2}) == encode({0: 1, 1: 2, 2: 0}) == bytes.fromhex("a3000101020200")


def test_limits_hold_on_both_sides() -> None:
    assert decode(encode(_nested(limits.CBOR_DEPTH)))
    _unwritten(ValueError, lambda: _nested(limits.CBOR_DEPTH + 1))
    full = [[0] * 4090, 0, 0, 0, 0]  # the outer array, the inner one, 4,090 and 4 items
    assert len(encode(full)) == limits.CBOR_ITEMS + 2  # the inner head takes three bytes
    assert decode(encode(full)) == full
    _unwritten(ValueError, lambda: [*full, 0])
    _refused(bytes.fromhex("86990ffa") + bytes(4095))
    _unwritten(ValueError, lambda: 2**64)
    _unwritten(ValueError, lambda: -(2**64) - 1)


@pytest.mark.parametrize("value", [{24: 0}, {-1: 0}, {True: 0}, {"a": 0}, {b"": 0}, {0: 0, "a": 0}, "a\0", "\ud800"], ids=repr)
def test_what_the_profile_lacks_is_not_written(value: Value) -> None:
    _unwritten((ValueError, TypeError), lambda: value)


@pytest.mark.parametrize("value", [None, 1.0, {1}, object(), bytearray(b"ab"), memoryview(b"ab"), [None]], ids=lambda v: type(v).__name__)
def test_what_has_no_encoding_is_not_written(value: Value) -> None:
    _unwritten(TypeError, lambda: value)


def _unwritten(error: type[Exception] | tuple[type[Exception], ...], make: Callable[[], Value]) -> None:
    value = make()
    with pytest.raises(error):
        encode(value)


def _refused(data: bytes) -> None:
    with pytest.raises(ProtocolError) as refused:
        decode(data)
    assert refused.value.code is codes.CBOR_FORM


def _nested(depth: int) -> Value:
    value: Value = 0
    for _ in range(depth):
        value = [value]
    return value


def _depth(value: Value) -> int:
    if isinstance(value, Mapping):
        return 1 + max(map(_depth, value.values()), default=0)
    return 1 + max(map(_depth, value), default=0) if isinstance(value, list) else 0


def _same(a: Value, b: Value) -> bool:
    """Equal, and of the same types throughout: True is not 1."""
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return list(a) == sorted(b) and all(_same(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, Sequence):
        return len(a) == len(b) and all(map(_same, a, b))
    return type(a) is type(b) and a == b


def _changed(raw: bytes) -> st.SearchStrategy[bytes]:
    """The same bytes with one byte changed, taken out or put in; or cut short."""
    at, byte = st.integers(0, len(raw) - 1), st.integers(0, 255)
    return st.one_of(
        st.builds(lambda i, b: raw[:i] + bytes([b]) + raw[i + 1 :], at, byte),
        st.builds(lambda i, b: raw[:i] + bytes([b]) + raw[i:], at, byte),
        st.builds(lambda i: raw[:i] + raw[i + 1 :], at),
        st.builds(lambda i: raw[:i], at),
    )
