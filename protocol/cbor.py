"""Strict deterministic CBOR: the profile of RFC 8949 section 4.2.1 that every byte string of ours is written in.

Unsigned and negative ints (64 bits), byte strings, text strings (valid UTF-8, no U+0000), arrays, maps whose keys are ints
0..23 in ascending order, true and false. Nothing else: no tags, floats, null, undefined, indefinite lengths, duplicate keys,
longer-than-needed heads or trailing bytes. Depth at most 8, items at most 4,096. (SPEC.md section 3.1)

There is exactly one encoding of a value, so ``encode(decode(b)) == b`` for every ``b`` that decodes.
A library is not used here: cbor2 takes duplicate keys, trailing bytes, tags and cycles (docs/decisions/0002).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from protocol import codes, limits
from protocol.errors import ProtocolError

Value: TypeAlias = "int | bytes | str | bool | Sequence[Value] | Mapping[int, Value]"

_INT_MAX = 2**64 - 1


def encode(value: Value) -> bytes:
    """The one encoding of a value. Raises ValueError or TypeError for what the profile does not have: that is a bug of ours."""
    out = bytearray()
    _write(out, value, limits.CBOR_DEPTH)
    # an item takes a byte or more, so most encodings need no counting
    if len(out) > limits.CBOR_ITEMS and _items(value) > limits.CBOR_ITEMS:
        raise ValueError("more items than the profile allows")
    return bytes(out)


def decode(data: bytes) -> Value:
    """The value of a whole byte string. Raises CBOR-FORM when the bytes are not the one encoding of a value in the profile."""
    reader = _Reader(data)
    value = reader.value(limits.CBOR_DEPTH)
    if reader.at != len(data):
        raise _bad("trailing bytes", reader.at)
    return value


def _bad(what: str, at: int) -> ProtocolError:
    return ProtocolError(codes.CBOR_FORM, f"{what} at byte {at}")


def _items(value: Value) -> int:
    """How many items the reader would count; the keys of a map are not among them."""
    if isinstance(value, bytes | str | int):
        return 1
    return 1 + sum(_items(item) for item in (value.values() if isinstance(value, Mapping) else value))


def _head(out: bytearray, major: int, n: int) -> None:
    if n < 24:
        out.append(major << 5 | n)
    elif n < 0x100:
        out += bytes((major << 5 | 24, n))
    elif n < 0x10000:
        out.append(major << 5 | 25)
        out += n.to_bytes(2, "big")
    elif n < 0x100000000:
        out.append(major << 5 | 26)
        out += n.to_bytes(4, "big")
    elif n <= _INT_MAX:
        out.append(major << 5 | 27)
        out += n.to_bytes(8, "big")
    else:
        raise ValueError("integer beyond 64 bits")


def _write(out: bytearray, value: Value, depth: int) -> None:
    if isinstance(value, bytes):
        _head(out, 2, len(value))
        out += value
    elif isinstance(value, bool):
        out.append(0xF5 if value else 0xF4)
    elif isinstance(value, int):
        if value >= 0:
            _head(out, 0, value)
        else:
            _head(out, 1, -1 - value)
    elif isinstance(value, str):
        raw = value.encode()
        if b"\0" in raw:
            raise ValueError("U+0000 in text")
        _head(out, 3, len(raw))
        out += raw
    elif depth == 0:
        raise ValueError("nested deeper than the profile allows")
    elif isinstance(value, Mapping):
        _head(out, 5, len(value))
        for key in sorted(value):
            if type(key) is not int or not 0 <= key < limits.CBOR_KEY:
                raise ValueError(f"map key {key!r}")
            out.append(key)
            _write(out, value[key], depth - 1)
    elif isinstance(value, bytearray | memoryview):
        raise TypeError("bytes that can change have no encoding")  # they are sequences too, and would become arrays of ints
    elif isinstance(value, Sequence):
        _head(out, 4, len(value))
        for item in value:
            _write(out, item, depth - 1)
    else:
        raise TypeError(f"no encoding for {type(value).__name__}")


class _Reader:
    """A cursor over the bytes. Never allocates more than the bytes that are really there."""

    __slots__ = ("at", "data", "end", "items")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.end = len(data)
        self.at = 0
        self.items = 0

    def value(self, depth: int) -> Value:
        start = self.at
        self.items += 1
        if self.items > limits.CBOR_ITEMS:
            raise _bad("more items than the limit", start)
        if start >= self.end:
            raise _bad("cut short", start)
        first = self.data[start]
        major, n = first >> 5, first & 31
        self.at = start + 1
        if n >= 24:
            n = self._long(major, n, start)
        if major == 0:
            return n
        if major == 2:
            return self._take(n)
        if major == 3:
            return self._text(n, start)
        if major == 1:
            return -1 - n
        if major == 7:
            if n in (20, 21):
                return n == 21
            raise _bad("a simple value other than true and false", start)
        if major == 6:
            raise _bad("a tag", start)
        if depth == 0:
            raise _bad("nested deeper than the limit", start)
        if n > self.end - self.at:
            raise _bad("more items than bytes", start)
        if major == 4:
            return [self.value(depth - 1) for _ in range(n)]
        return self._map(n, depth - 1)

    def _long(self, major: int, low: int, start: int) -> int:
        """The number of a head whose first byte does not hold it: in its shortest form, or refused."""
        if low > 27 or major == 7:
            raise _bad("an indefinite length, float or reserved head", start)
        width = 1 << (low - 24)
        n = int.from_bytes(self._take(width), "big")
        if n < 24 or (width > 1 and n < 1 << (4 * width)):
            raise _bad("a longer head than needed", start)
        return n

    def _take(self, n: int) -> bytes:
        at = self.at
        end = at + n
        if end > self.end:
            raise _bad("cut short", at)
        self.at = end
        return self.data[at:end]

    def _text(self, n: int, start: int) -> str:
        raw = self._take(n)
        if b"\0" in raw:
            raise _bad("U+0000 in text", start)
        try:
            return raw.decode()
        except UnicodeDecodeError:
            raise _bad("text that is not UTF-8", start) from None

    def _map(self, n: int, depth: int) -> dict[int, Value]:
        result: dict[int, Value] = {}
        last = -1
        for _ in range(n):
            at = self.at
            key = self.data[at] if at < len(self.data) else limits.CBOR_KEY
            if key >= limits.CBOR_KEY:
                raise _bad("a map key that is not an int from 0 to 23", at)
            if key <= last:
                raise _bad("map keys twice or out of order", at)
            self.at = at + 1
            last = key
            result[key] = self.value(depth)
        return result
