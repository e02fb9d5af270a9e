"""ENV-2 to ENV-16 as far as they are about the encoding alone: malformed bytes are refused with CBOR-FORM, cheaply.

The same ids over whole envelopes are in test_env.py and in the vectors.
"""

from __future__ import annotations

import tracemalloc

import pytest

from protocol import codes, limits
from protocol.cbor import decode, encode
from protocol.errors import ProtocolError

WHOLE = encode([1, b"\x01\x02", "é", {0: True, 2: -1}])


def refused(data: bytes, why: str) -> None:
    """Refused for this reason: so the test fails when this check is removed, even if another one catches the bytes."""
    with pytest.raises(ProtocolError) as refusal:
        decode(data)
    assert refusal.value.code is codes.CBOR_FORM
    assert refusal.value.detail.startswith(why)


def wire(text: str) -> bytes:
    return bytes.fromhex(text)


def test_ENV_2_one_byte_short() -> None:
    for n in range(len(WHOLE)):
        with pytest.raises(ProtocolError) as refusal:
            decode(WHOLE[:n])
        assert refusal.value.code is codes.CBOR_FORM
    refused(WHOLE[:-1], "cut short")


def test_ENV_3_one_byte_long() -> None:
    for extra in (b"\x00", b"\xf6", WHOLE):
        refused(WHOLE + extra, "trailing bytes")


def test_ENV_4_duplicate_map_key() -> None:
    refused(wire("a200010002"), "map keys twice or out of order")
    refused(wire("a200010001"), "map keys twice or out of order")


def test_ENV_5_keys_out_of_order() -> None:
    refused(wire("a201000000"), "map keys twice or out of order")


@pytest.mark.parametrize("text", ["1801", "1817", "190001", "1900ff", "1a0000ffff", "1b00000000ffffffff", "3800", "390017"])
def test_ENV_6_int_longer_than_needed(text: str) -> None:
    refused(wire(text), "a longer head than needed")


@pytest.mark.parametrize("text", ["580101", "59000101", "5a0000000101", "5b000000000000000101", "780161", "980101", "b8010001"])
def test_ENV_7_length_longer_than_needed(text: str) -> None:
    refused(wire(text), "a longer head than needed")


@pytest.mark.parametrize("text", ["9fff", "9f01ff", "bfff", "bf0001ff"])
def test_ENV_8_indefinite_array_or_map(text: str) -> None:
    refused(wire(text), "an indefinite length")


@pytest.mark.parametrize("text", ["5fff", "5f4101ff", "7fff", "7f6161ff", "ff"])
def test_ENV_9_indefinite_string(text: str) -> None:
    refused(wire(text), "an indefinite length")


@pytest.mark.parametrize("tag", [0, 2, 3, 24, 28, 29, 35, 55799, 258, 2**64 - 1])
def test_ENV_10_any_tag(tag: int) -> None:
    head = encode(tag)
    tagged = bytes([head[0] | 0xC0]) + head[1:] + b"\x40"
    refused(tagged, "a tag")
    refused(b"\x81" + tagged, "a tag")


@pytest.mark.parametrize("text", ["f90000", "f98000", "f97e01", "fa7fc00001", "fb3ff0000000000000", "fb8000000000000000"])
def test_ENV_11_float(text: str) -> None:
    refused(wire(text), "an indefinite length, float or reserved head")


@pytest.mark.parametrize("n", [n for n in range(24) if n not in (20, 21)])
def test_ENV_12_null_undefined_simple(n: int) -> None:
    refused(bytes([0xE0 | n]), "a simple value other than true and false")


@pytest.mark.parametrize("text", ["f800", "f814", "f818", "f8ff", "1c", "3d", "5e", "7c", "9d", "be", "fc", "fd", "fe"])
def test_ENV_12_simple_of_two_bytes_and_reserved_heads(text: str) -> None:
    refused(wire(text), "an indefinite length, float or reserved head")


@pytest.mark.parametrize("shell", [b"\x81", b"\xa1\x00"], ids=["arrays", "maps"])
@pytest.mark.parametrize("depth", [limits.CBOR_DEPTH + 1, 100_000])
def test_ENV_13_too_deep(shell: bytes, depth: int) -> None:
    assert decode(shell * limits.CBOR_DEPTH + b"\x00")
    refused(shell * depth + b"\x00", "nested deeper than the limit")


@pytest.mark.parametrize(
    "text, why",
    [
        ("9b7fffffffffffffff", "more items than bytes"),
        ("9bffffffffffffffff", "more items than bytes"),
        ("ba10000000", "more items than bytes"),
        ("5affffffff", "cut short"),
        ("5b0000000100000000", "cut short"),
        ("7b0000000100000000", "cut short"),
        ("5bffffffffffffffff", "cut short"),
    ],
)
def test_ENV_14_a_length_allocates_nothing(text: str, why: str) -> None:
    assert _peak(wire(text), why) < 64 * limits.KiB


def test_ENV_14_many_items_allocate_little() -> None:
    """The limit of items ends the reading before a megabyte of small items has become ten of objects."""
    million = wire("9a000f4240") + b"\x80" * 1_000_000
    assert _peak(million, "more items than the limit") < limits.MiB


def test_ENV_14_arrays_inside_arrays_share_one_limit() -> None:
    row = wire("990400") + bytes(1024)
    refused(wire("84") + 4 * row, "more items than the limit")


@pytest.mark.parametrize(
    "key", ["1818", "17ff", "20", "3818", "6161", "4101", "f5", "80", "a0", "1bffffffffffffffff", "c24101", "1801"]
)
def test_ENV_15_key_that_is_not_0_to_23(key: str) -> None:
    raw = wire(key)
    if raw[0] < limits.CBOR_KEY:  # 0x17 is a key; what follows it is not a value
        refused(wire("a1") + raw, "an indefinite length")
    else:
        refused(wire("a1") + raw + b"\x00", "a map key that is not an int from 0 to 23")


def test_ENV_15_bignum_as_value() -> None:
    refused(wire("a100c249010000000000000000"), "a tag")


@pytest.mark.parametrize(
    "raw", ["ff", "80", "c3", "c328", "c080", "c1bf", "e08080", "e0809f", "f0808080", "eda080", "edbfbf", "f4908080", "f8888080"]
)
def test_ENV_16_text_that_is_not_utf_8(raw: str) -> None:
    data = wire(raw)
    refused(bytes([0x60 | len(data)]) + data, "text that is not UTF-8")


def test_ENV_16_nul_in_text() -> None:
    refused(wire("6100"), "U+0000 in text")
    refused(wire("63610062"), "U+0000 in text")


def _peak(data: bytes, why: str) -> int:
    """Bytes allocated at most while the data is refused."""
    tracemalloc.start()
    try:
        refused(data, why)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
