"""Cases of pouches and answers (SPEC.md 3.9)."""

from __future__ import annotations

from protocol import cbor, limits
from protocol.entries import Lane
from protocol.pouch import (
    Ask,
    Bad,
    EnvelopeItem,
    HeadOffer,
    Later,
    PouchHead,
    PrekeyOffer,
    Proven,
    Receipt,
    Unknown,
    Wants,
    encode_answer,
    encode_item,
    encode_pouch,
    offer_row,
)
from tests.vectors.c2sp.signing import HEAD as NOTE
from tests.vectors.formats.case import HASH, Case, changed, without
from tests.vectors.formats.entries import SUBMITTED
from tests.vectors.formats.envelopes import envelope

SPEC = "SPEC.md 3.9"
PATH = (HASH, b"i" * 32)
PROVEN = Proven(SUBMITTED.encode(), 4, PATH)
ITEM = EnvelopeItem(PROVEN, envelope(), b"k" * 32, b"w" * 1232, b"c" * 200)
OFFER = PrekeyOffer(PROVEN, (b"p" * 1216, b"q" * 1216))
HEAD = PouchHead(Lane.ROUTINE, HeadOffer(9, PATH, NOTE), 7, 3)
H: dict[int, cbor.Value] = {0: 0, 1: [9, list(PATH), NOTE], 2: 7, 3: 3}
_ask = encode_item(Ask(HASH))
_row = list(cbor.decode(encode_item(ITEM)))  # type: ignore[arg-type]


def frame(head: bytes, items: bytes = b"\x80") -> bytes:
    return len(head).to_bytes(4, "big") + head + items


def _item(at: int, value: cbor.Value) -> bytes:
    return encode_pouch(HEAD, [cbor.encode([*_row[:at], value, *_row[at + 1 :]])])


_good = {
    "example": ("an envelope and an ask", encode_pouch(HEAD, [encode_item(ITEM), _ask])),
    "empty": ("a head alone", encode_pouch(HEAD, [])),
    "first-contact": ("nothing confirmed yet", encode_pouch(PouchHead(Lane.URGENT, HeadOffer(0, (), NOTE), 0, 1), [_ask])),
    "witnessed": ("both optional fields", encode_pouch(PouchHead(Lane.ROUTINE, HeadOffer(9, PATH, NOTE), 7, 3, (NOTE, PATH), b"c"), [])),
    "256-items": ("as many as the limit", encode_pouch(HEAD, [_ask] * 256)),
    "witnessed-first": ("no path: the head of this pouch is the one with the quorum", frame(changed(H, 4, [NOTE, []]))),
    "quorum-alone": ("field 4 without 5", frame(changed(H, 4, [NOTE, list(PATH)]))),
    "lines-alone": ("field 5 without 4, as in an answer", frame(changed(H, 5, b"lines"))),
    "opened": ("a log that the directory lists as standby", frame(changed(H, 6, [PROVEN.entry, list(PATH)]))),
    "opened-alone": ("a log of one entry has no path", frame(changed(H, 6, [PROVEN.entry, []]))),
    "opened-63-hashes": ("the longest path", frame(changed(H, 6, [PROVEN.entry, [HASH] * 63]))),
    "all-fields": ("4, 5 and 6", frame(cbor.encode({**H, 4: [NOTE, list(PATH)], 5: b"lines", 6: [PROVEN.entry, list(PATH)]}))),
    "offered-again": ("with the receipt that its reader lost", encode_pouch(HEAD, [cbor.encode([*_row, b"receipt"])])),
    "63-hashes": ("the longest path", encode_pouch(PouchHead(Lane.ROUTINE, HeadOffer(9, (HASH,) * 63, NOTE), 7, 3), [])),
}
_form = {
    "no-bytes": ("ENV-1", b""),
    "length-alone": ("nothing after the length", b"\0\0\0\1"),
    "head-cut-short": ("ENV-2", encode_pouch(HEAD, [])[:-2]),
    "no-items": ("nothing after the head", frame(cbor.encode(H), b"")),
    "trailing-byte": ("ENV-3", encode_pouch(HEAD, []) + b"\0"),
    "head-an-array": ("not a map", frame(cbor.encode([H]))),
    "head-key-6": ("ENV-17", frame(changed(H, 6, 0))),
    **{f"head-no-key-{i}": ("ENV-18", frame(without(H, i))) for i in range(4)},
    "lane-2": ("no such lane", frame(changed(H, 0, 2))),
    "lane-true": ("true is not 1", frame(changed(H, 0, value=True))),
    "offer-of-two": ("no note", frame(changed(H, 1, [9, []]))),
    "old-size-negative": ("below zero", frame(changed(H, 1, [-1, [], NOTE]))),
    "note-text": ("a text where bytes belong", frame(changed(H, 1, [9, [], NOTE.decode()]))),
    "path-31-bytes": ("a hash cut short", frame(changed(H, 1, [9, [HASH[:31]], NOTE]))),
    "path-64": ("longer than any path", frame(changed(H, 1, [9, [HASH] * 64, NOTE]))),
    "yours-2-to-63": ("beyond 63 bits", frame(changed(H, 2, 2**63))),
    "directory-text": ("a text where a number belongs", frame(changed(H, 3, "3"))),
    "head-key-7": ("ENV-17", frame(changed(H, 7, 0))),
    **{
        f"{name}-{what}": (note, frame(changed(H, key, value)))
        for key, name in ((4, "quorum"), (6, "opened"))
        for what, note, value in (
            ("bytes", "no path", PROVEN.entry),
            ("of-one", "no path", [PROVEN.entry]),
            ("of-three", "something more", [PROVEN.entry, [], 0]),
            ("map", "not an array", {0: PROVEN.entry}),
            ("text", "a text where bytes belong", ["opened", []]),
            ("path-31", "a hash cut short", [PROVEN.entry, [HASH[:31]]]),
            ("path-64", "longer than any path", [PROVEN.entry, [HASH] * 64]),
            ("path-bytes", "hashes in one string", [PROVEN.entry, HASH]),
        )
    },
    "lines-text": ("a text where bytes belong", frame(changed(H, 5, "lines"))),
    "lines-array": ("an array where bytes belong", frame(changed(H, 5, [b"line"]))),
    "keys-5-before-4": ("keys in ascending order", frame(b"\xa6" + cbor.encode(H)[1:] + b"\x05\x41l\x04\x82\x41n\x80")),
    "opened-twice": ("each key once", frame(b"\xa6" + cbor.encode(H)[1:] + b"\x06\x82\x41e\x80" * 2)),
    "items-a-map": ("not an array", frame(cbor.encode(H), cbor.encode({}))),
    "item-an-array": ("items are bytes", frame(cbor.encode(H), cbor.encode([[1, HASH]]))),
}
_items = {
    "item-empty": ("no bytes", encode_pouch(HEAD, [b""])),
    "item-kind-2": ("no such kind", encode_pouch(HEAD, [cbor.encode([2, HASH])])),
    "item-kind-false": ("false is not 0", _item(0, value=False)),
    "ask-kind-true": ("true is not 1", encode_pouch(HEAD, [cbor.encode([True, HASH])])),
    "item-not-an-array": ("a map", encode_pouch(HEAD, [cbor.encode({0: 1})])),
    "item-of-seven": ("no body", encode_pouch(HEAD, [cbor.encode(_row[:7])])),
    "item-of-nine": ("something more", encode_pouch(HEAD, [cbor.encode([*_row, 0])])),
    "item-of-ten": ("something more than the receipt", encode_pouch(HEAD, [cbor.encode([*_row, b"receipt", b""])])),
    "item-receipt-text": ("a text where bytes belong", encode_pouch(HEAD, [cbor.encode([*_row, "receipt"])])),
    "item-index-negative": ("below zero", _item(2, -1)),
    "item-path-31": ("a hash cut short", _item(3, [HASH[:31]])),
    "item-prekey-id-31": ("an id cut short", _item(5, HASH[:31])),
    "item-wrap-text": ("a text where bytes belong", _item(6, "w")),
    "ask-31": ("a hash cut short", encode_pouch(HEAD, [cbor.encode([1, HASH[:31]])])),
    "ask-of-three": ("something more", encode_pouch(HEAD, [cbor.encode([1, HASH, 0])])),
    "item-trailing-byte": ("ENV-3", encode_pouch(HEAD, [_ask + b"\0"])),
}
POUCHES = (
    *(Case(f"pouch/{name}", "ok", SPEC, note, data) for name, (note, data) in _good.items()),
    *(Case(f"pouch/{name}", "POUCH-FORM", SPEC, note, data) for name, (note, data) in _form.items()),
    *(Case(f"pouch/{name}", "ITEM-FORM", SPEC, note, data) for name, (note, data) in _items.items()),
    Case("pouch/head-too-long", "POUCH-SIZE", SPEC, "ENV-20: refused before it is read", (limits.POUCH_HEAD + 1).to_bytes(4, "big")),
    Case("pouch/257-items", "POUCH-SIZE", SPEC, "one more than the limit", encode_pouch(HEAD, [b""] * 257)),
)

_offer = offer_row(OFFER)
_answers = {
    "receipt": ("an entry, proven", encode_answer(Receipt(PROVEN))),
    "receipt-only-entry": ("the first entry of a log has no path", encode_answer(Receipt(Proven(PROVEN.entry, 0, ())))),
    "receipt-closing": ("an entry of an earlier log, under its closing head", encode_answer(Receipt(PROVEN, NOTE))),
    "wants": ("two parts, one of them begun", encode_answer(Wants(((1, 0), (2, 16_384))))),
    "wants-nothing": ("the last part is being verified", encode_answer(Wants(()))),
    "later": ("no prekeys", encode_answer(Later("TIME-CLOCK", 60))),
    "later-prekeys": ("with current prekeys", encode_answer(Later("PREKEY-UNKNOWN", 1, OFFER))),
    "bad": ("failed check 7", encode_answer(Bad(7, "BIND-HASH"))),
    "unknown": ("to an ask", encode_answer(Unknown())),
}
_wrong: dict[str, tuple[str, cbor.Value]] = {
    "empty-array": ("nothing", []),
    "a-map": ("not an array", {0: 0}),
    "kind-5": ("no such kind", [5]),
    "kind-false": ("false is not 0", [False, PROVEN.entry, 4, list(PATH)]),
    "receipt-of-three": ("no path", [0, PROVEN.entry, 4]),
    "receipt-index-text": ("a text where a number belongs", [0, PROVEN.entry, "4", []]),
    "receipt-path-64": ("longer than any path", [0, PROVEN.entry, 4, [HASH] * 64]),
    "receipt-closing-text": ("a text where the note's bytes belong", [0, PROVEN.entry, 4, list(PATH), "note"]),
    "receipt-of-six": ("more than the closing head", [0, PROVEN.entry, 4, list(PATH), b"note", b""]),
    "wants-int": ("not an array", [1, 0]),
    "wants-of-one": ("a part without its bytes held", [1, [[1]]]),
    "wants-negative": ("below zero", [1, [[1, -1]]]),
    "later-no-seconds": ("no time", [2, "TIME-CLOCK"]),
    "later-code-empty": ("no code", [2, "", 60]),
    "later-code-65": ("a code too long", [2, "X" * 65, 60]),
    "later-code-not-ascii": ("a code of other letters", [2, "ZÄHLER", 60]),
    "later-seconds-negative": ("below zero", [2, "TIME-CLOCK", -1]),
    "later-prekeys-short": ("a key cut short", [2, "X", 1, [*_offer[:3], [b"p" * 1215]]]),
    "later-prekeys-9": ("more keys than a set has", [2, "X", 1, [*_offer[:3], [b"p" * 1216] * 9]]),
    "later-prekeys-null": ("not an offer", [2, "X", 1, []]),
    "bad-no-code": ("no code", [3, 7]),
    "bad-check-text": ("a text where a number belongs", [3, "7", "BIND-HASH"]),
    "unknown-more": ("something more", [4, 0]),
}
ANSWERS = (
    *(Case(f"answer/{name}", "ok", SPEC, note, data) for name, (note, data) in _answers.items()),
    *(Case(f"answer/{name}", "ANSWER-FORM", SPEC, note, cbor.encode(row)) for name, (note, row) in _wrong.items()),
    Case("answer/no-bytes", "ANSWER-FORM", SPEC, "ENV-1", b""),
    Case("answer/trailing-byte", "ANSWER-FORM", SPEC, "ENV-3", encode_answer(Unknown()) + b"\0"),
)
