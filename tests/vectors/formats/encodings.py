"""Cases of the CBOR profile (SPEC.md 3.1)."""

from __future__ import annotations

from protocol import cbor
from tests.vectors.formats.case import Case

SPEC = "SPEC.md 3.1"

_good = {
    "example": ("the example of the page", "84 01 42 0102 62 c3a9 a2 00 f5 02 20"),
    "zero": ("the smallest integer", "00"),
    "23": ("the largest one-byte integer", "17"),
    "24": ("two bytes", "18 18"),
    "255-256": ("where the head grows", "82 18ff 19 0100"),
    "65535-65536": ("where the head grows again", "82 19ffff 1a 00010000"),
    "2-to-32": ("nine bytes", "1b 0000000100000000"),
    "2-to-64-less-1": ("the largest integer", "1b ffffffffffffffff"),
    "minus-2-to-64": ("the smallest integer of all", "3b ffffffffffffffff"),
    "empty-ones": ("nothing in each kind", "84 40 60 80 a0"),
    "depth-8": ("as deep as the limit", "81" * 8 + "00"),
    "map-of-24": ("every key there is", "b8 18" + "".join(f"{key:02x}00" for key in range(24))),
    "items-4096": ("as many items as the limit", "99 0fff" + "00" * 4095),
}
_bad = {
    "empty": ("ENV-1: no bytes", ""),
    "trailing-byte": ("ENV-3: a byte too many", "00 00"),
    "cut-short": ("ENV-2: a byte too few", "42 01"),
    "key-twice": ("ENV-4: one key twice", "a2 0000 0001"),
    "keys-out-of-order": ("ENV-5: keys descending", "a2 0100 0000"),
    "int-too-long": ("ENV-6: 1 in two bytes", "18 01"),
    "int-too-long-3": ("ENV-6: 255 in three bytes", "19 00ff"),
    "int-too-long-9": ("ENV-6: 1 in nine bytes", "1b 0000000000000001"),
    "length-too-long": ("ENV-7: a byte string's length in two bytes", "58 01 00"),
    "indefinite-array": ("ENV-8: no length", "9f 00 ff"),
    "indefinite-map": ("ENV-8: no length", "bf 00 00 ff"),
    "indefinite-bytes": ("ENV-9: chunks", "5f 41 00 ff"),
    "indefinite-text": ("ENV-9: chunks", "7f 61 61 ff"),
    "tag-0": ("ENV-10: a date", "c0 61 61"),
    "tag-24": ("ENV-10: embedded CBOR", "d8 18 41 00"),
    "tag-2": ("ENV-10: a bignum", "c2 41 01"),
    "float-16": ("ENV-11: a float", "f9 0000"),
    "float-nan": ("ENV-11: not a number", "f9 7e01"),
    "float-64": ("ENV-11: minus zero", "fb 8000000000000000"),
    "null": ("ENV-12", "f6"),
    "undefined": ("ENV-12", "f7"),
    "simple-24": ("ENV-12: a simple value in two bytes", "f8 18"),
    "depth-9": ("ENV-13: one deeper than the limit", "81" * 9 + "00"),
    "array-of-2-to-63": ("ENV-14: more than there is", "9b 7fffffffffffffff"),
    "map-of-2-to-28": ("ENV-14: more than there is", "ba 10000000"),
    "bytes-of-4-gib": ("ENV-14: more than there is", "5a ffffffff"),
    "key-24": ("ENV-15: a key of two bytes", "a1 1818 00"),
    "key-negative": ("ENV-15: a key below zero", "a1 20 00"),
    "key-text": ("ENV-15: a key that is no int", "a1 6161 00"),
    "text-not-utf-8": ("ENV-16: a byte alone", "61 ff"),
    "text-surrogate": ("ENV-16: half a character", "63 eda080"),
    "text-overlong": ("ENV-16: a slash in two bytes", "62 c0af"),
    "text-nul": ("ENV-16: U+0000", "61 00"),
    "reserved-head": ("a head that means nothing", "1c"),
    "break-alone": ("an end without a beginning", "ff"),
    "items-4097": ("one item more than the limit", "99 1000" + "00" * 4096),
}

CASES = (
    *(Case(f"cbor/{name}", "ok", SPEC, note, bytes.fromhex(data)) for name, (note, data) in _good.items()),
    *(Case(f"cbor/{name}", "CBOR-FORM", SPEC, note, bytes.fromhex(data)) for name, (note, data) in _bad.items()),
)
assert cbor.encode([1, b"\1\2", "é", {0: True, 2: -1}]) == CASES[0].data
