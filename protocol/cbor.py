"""Strict deterministic CBOR: the profile of RFC 8949 section 4.2.1 that every byte string of ours is written in.

Unsigned and negative ints (64 bits), byte strings, text strings (valid UTF-8, no U+0000), arrays, maps whose keys are ints
0..23 in ascending order, true and false. Nothing else: no tags, floats, null, undefined, indefinite lengths, duplicate keys,
longer-than-needed heads or trailing bytes. Depth at most 8, items at most 4,096. (SPEC.md section 3.1)

There is exactly one encoding of a value, so ``encode(decode(b)) == b`` for every ``b`` that decodes. Every message passes
here some thirty times: hence functions instead of a cursor, tables of heads, and what is frequent first.
A library is not used here: cbor2 takes duplicate keys, trailing bytes, tags and cycles (docs/decisions/0002).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from protocol import codes, limits
from protocol.errors import ProtocolError

Value: TypeAlias = "int | bytes | str | bool | Sequence[Value] | Mapping[int, Value]"

_HEADS = [
    [bytes((major << 5 | n,)) if n < 24 else bytes((major << 5 | 24, n)) for n in range(0x100)] for major in range(6)
]  # by major type and number: nearly every head there is
_UINTS, _, _BYTES, _TEXTS, _, _ = _HEADS
_HASH = _BYTES[32]  # paths are arrays of hashes


def encode(value: Value) -> bytes:
    """The one encoding of a value. Raises ValueError or TypeError for what the profile does not have: that is a bug of ours."""
    return b"".join(pieces(value))


def pieces(value: Value) -> list[bytes]:
    """The same before it is put together: its byte strings are not copied. Raises as ``encode``."""
    written: list[bytes] = []
    _write(written.append, value, limits.CBOR_DEPTH)
    # an item is a piece or more, so most encodings need no counting
    if len(written) > limits.CBOR_ITEMS and _items(value) > limits.CBOR_ITEMS:
        raise ValueError("more items than the profile allows")
    return written


def decode(data: bytes, start: int = 0) -> Value:
    """The value of all bytes from ``start`` on. Raises CBOR-FORM when they are not the one encoding of a value in the profile."""
    value, at = _read(data, start, limits.CBOR_DEPTH, [limits.CBOR_ITEMS - 1])
    if at != len(data):
        raise _bad("trailing bytes", at)
    return value


def _bad(what: str, at: int) -> ProtocolError:
    return ProtocolError(codes.CBOR_FORM, f"{what} at byte {at}")


def _items(value: Value) -> int:
    """How many items the reader would count; the keys of a map are not among them."""
    if isinstance(value, bytes | str | int):
        return 1
    return 1 + sum(_items(item) for item in (value.values() if isinstance(value, Mapping) else value))


# -- writing ------------------------------------------------------------------------------------------------------------------


def _head(major: int, n: int) -> bytes:
    if n < 0x100:
        return _HEADS[major][n]
    if n < 0x10000:
        return bytes((major << 5 | 25,)) + n.to_bytes(2, "big")
    if n < 0x100000000:
        return bytes((major << 5 | 26,)) + n.to_bytes(4, "big")
    if n < 1 << 64:
        return bytes((major << 5 | 27,)) + n.to_bytes(8, "big")
    raise ValueError("integer beyond 64 bits")


def _write(put: Callable[[bytes], object], value: Any, depth: int) -> None:
    kind = type(value)
    if kind is bytes:
        n = len(value)
        put(_BYTES[n] if n < 0x100 else _head(2, n))
        put(value)
    elif kind is int:
        put(_UINTS[value] if 0 <= value < 0x100 else _head(0, value) if value >= 0 else _head(1, -1 - value))
    elif kind is str:
        _write_text(put, value)
    elif kind is dict:
        _write_map(put, value, depth)
    elif kind is list or kind is tuple:
        _write_array(put, value, depth)
    else:
        _write_other(put, value, depth)


def _write_text(put: Callable[[bytes], object], value: str) -> None:
    raw = value.encode()
    if b"\0" in raw:
        raise ValueError("U+0000 in text")
    n = len(raw)
    put(_TEXTS[n] if n < 0x100 else _head(3, n))
    put(raw)


def _write_array(put: Callable[[bytes], object], value: Sequence[Value], depth: int) -> None:
    if depth == 0:
        raise ValueError("nested deeper than the profile allows")
    put(_head(4, len(value)))
    for item in value:
        if type(item) is bytes and (n := len(item)) < 0x100:  # the hashes of a path
            put(_BYTES[n])
            put(item)
        else:
            _write(put, item, depth - 1)


def _write_map(put: Callable[[bytes], object], value: Mapping[int, Value], depth: int) -> None:
    if depth == 0:
        raise ValueError("nested deeper than the profile allows")
    put(_head(5, len(value)))
    keys: list[Any] = sorted(value)  # not list[int]: in machine code True would be 1 before it is looked at
    for key in keys:
        if type(key) is not int or not 0 <= key < limits.CBOR_KEY:
            raise ValueError(f"map key {key!r}")
        put(_UINTS[key])
        item = value[key]
        if type(item) is bytes and (n := len(item)) < 0x100:  # hashes and ids
            put(_BYTES[n])
            put(item)
        else:
            _write(put, item, depth - 1)


def _write_other(put: Callable[[bytes], object], value: Value, depth: int) -> None:
    """Truth, and subclasses: enumerations, named tuples, other mappings and sequences."""
    if isinstance(value, bool):
        put(b"\xf5" if value else b"\xf4")
    elif isinstance(value, bytes):
        _write(put, bytes(value), depth)
    elif isinstance(value, int):
        _write(put, int(value), depth)
    elif isinstance(value, str):
        _write_text(put, value)
    elif isinstance(value, Mapping):
        _write_map(put, value, depth)
    elif isinstance(value, bytearray | memoryview):
        raise TypeError("bytes that can change have no encoding")  # they are sequences too, and would become arrays of ints
    elif isinstance(value, Sequence):
        _write(put, list(value), depth)
    else:
        raise TypeError(f"no encoding for {type(value).__name__}")


# -- reading ------------------------------------------------------------------------------------------------------------------


def _read(data: bytes, at: int, depth: int, left: list[int]) -> tuple[Value, int]:
    """The item that begins at this byte, and where it ends. ``left``: how many more items there may be.

    Never allocates more than the bytes that are really there.
    """
    start = at
    try:
        first = data[at]
        at += 1
        if first < 24:
            return first, at
        major, n = first >> 5, first & 31
        if n == 24 and major < 7:
            n = data[at]
            at += 1
            if n < 24:
                raise _bad("a longer head than needed", start)
        elif n > 23:
            n, at = _long(data, major, n, start)
    except IndexError:
        raise _bad("cut short", start) from None
    if major == 2:
        end = at + n
        if end > len(data):
            raise _bad("cut short", at)
        return data[at:end], end
    if major == 0:
        return n, at
    if major == 3:
        return _text(data, at, n, start)
    if major == 4:
        _enter(data, at, start, depth, n, left)
        return _read_array(data, at, depth - 1, n, left)
    if major == 5:
        _enter(data, at, start, depth, n, left)
        return _read_map(data, at, depth - 1, n, left)
    if major == 1:
        return -1 - n, at
    if major == 7 and n in (20, 21):
        return n == 21, at
    raise _bad("a tag" if major == 6 else "a simple value other than true and false", start)


def _long(data: bytes, major: int, low: int, start: int) -> tuple[int, int]:
    """The number of a head of more than two bytes, in its shortest form, and where it ends."""
    if low > 27 or major == 7:
        raise _bad("an indefinite length, float or reserved head", start)
    width = 1 << (low - 24)
    end = start + 1 + width
    if end > len(data):
        raise _bad("cut short", start + 1)
    n = int.from_bytes(data[start + 1 : end], "big")
    if n < 1 << (4 * width):
        raise _bad("a longer head than needed", start)
    return n, end


def _enter(data: bytes, at: int, start: int, depth: int, n: int, left: list[int]) -> None:
    """Into an array or map of ``n`` items, if there may and can be so many."""
    if depth == 0:
        raise _bad("nested deeper than the limit", start)
    if n > len(data) - at:
        raise _bad("more items than bytes", start)
    left[0] -= n
    if left[0] < 0:
        raise _bad("more items than the limit", start)


def _read_array(data: bytes, at: int, depth: int, n: int, left: list[int]) -> tuple[list[Value], int]:
    items: list[Value] = []
    put = items.append
    for _ in range(n):
        if data[at : at + 2] == _HASH and at + 34 <= len(data):
            put(data[at + 2 : at + 34])
            at += 34
        else:
            item, at = _read(data, at, depth, left)
            put(item)
    return items, at


def _read_map(data: bytes, at: int, depth: int, n: int, left: list[int]) -> tuple[dict[int, Value], int]:
    result: dict[int, Value] = {}
    last, size = -1, len(data)
    for _ in range(n):
        key = data[at] if at < size else limits.CBOR_KEY
        if key >= limits.CBOR_KEY:
            raise _bad("a map key that is not an int from 0 to 23", at)
        if key <= last:
            raise _bad("map keys twice or out of order", at)
        last = key
        if data[at + 1 : at + 3] == _HASH and at + 35 <= size:
            result[key] = data[at + 3 : at + 35]
            at += 35
        else:
            result[key], at = _read(data, at + 1, depth, left)
    return result, at


def _text(data: bytes, at: int, n: int, start: int) -> tuple[str, int]:
    end = at + n
    if end > len(data):
        raise _bad("cut short", at)
    raw = data[at:end]
    if b"\0" in raw:
        raise _bad("U+0000 in text", start)
    try:
        return raw.decode(), end
    except UnicodeDecodeError:
        raise _bad("text that is not UTF-8", start) from None
