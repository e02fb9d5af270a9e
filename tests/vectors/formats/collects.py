"""Cases of calls that collect (SPEC.md 3.10)."""

from __future__ import annotations

from protocol import cbor, limits
from protocol.collect import Collect, Refusal, encode_collect
from protocol.entries import Lane
from tests.vectors.formats.case import HASH, Case
from tests.vectors.formats.pouches import POUCHES

SPEC = "SPEC.md 3.10"
_answer = next(case.data for case in POUCHES if case.expect == "ok")


def call(table: cbor.Value, answer: bytes = b"") -> bytes:
    raw = cbor.encode(table)
    return len(raw).to_bytes(4, "big") + raw + answer


_good = {
    "first": ("nothing was collected yet", Collect(Lane.ROUTINE, 0)),
    "urgent": ("waits as long as it may", Collect(Lane.URGENT, limits.COLLECT_WAIT)),
    "answered": ("the answer to the pouch collected last", Collect(Lane.URGENT, 25, HASH, _answer)),
    "refused": ("a whole pouch refused", Collect(Lane.ROUTINE, 25, HASH, b"", Refusal(422, "HEAD-BROKEN", 0))),
    "refused-unlinked": ("409, with the size to link from", Collect(Lane.ROUTINE, 25, HASH, b"", Refusal(409, "HEAD-UNLINKED", 0, 7))),
    "refused-later": ("503, with Retry-After", Collect(Lane.ROUTINE, 25, HASH, b"", Refusal(503, "STORE-WRITE", 3600))),
}
_form: dict[str, tuple[str, bytes]] = {
    "no-bytes": ("ENV-1", b""),
    "head-cut": ("ENV-2", call({0: 0, 1: 25})[:-1]),
    "head-trailing": ("the length counts a byte that is not C", (6).to_bytes(4, "big") + cbor.encode({0: 0, 1: 5}) + b"\0"),
    "head-too-long": ("above 1 KiB", (limits.COLLECT_HEAD + 1).to_bytes(4, "big") + bytes(limits.COLLECT_HEAD + 1)),
    "not-a-map": ("an array", call([0, 25])),
    "no-lane": ("a field is missing", call({1: 25})),
    "no-wait": ("a field is missing", call({0: 0})),
    "key-4": ("an unknown field", call({0: 0, 1: 25, 4: 0})),
    "lane-2": ("no such lane", call({0: 2, 1: 25})),
    "lane-false": ("false is not 0", call({0: False, 1: 25})),
    "wait-26": ("longer than anybody waits", call({0: 0, 1: limits.COLLECT_WAIT + 1})),
    "wait-negative": ("below zero", call({0: 0, 1: -1})),
    "wait-true": ("true is not 1", call({0: 0, 1: True})),
    "pouch-31": ("a hash cut short", call({0: 0, 1: 25, 2: HASH[:31]}, _answer)),
    "pouch-empty": ("no hash", call({0: 0, 1: 25, 2: b""})),
    "pouch-text": ("a text where bytes belong", call({0: 0, 1: 25, 2: "h" * 32}, _answer)),
    "pouch-alone": ("neither answered nor refused", call({0: 0, 1: 25, 2: HASH})),
    "answer-alone": ("an answer to nothing", call({0: 0, 1: 25}, _answer)),
    "refusal-alone": ("a refusal of nothing", call({0: 0, 1: 25, 3: [422, "HEAD-BROKEN", 0]})),
    "answer-and-refusal": ("both", call({0: 0, 1: 25, 2: HASH, 3: [422, "HEAD-BROKEN", 0]}, _answer)),
    "answer-and-refusal-of-nothing": ("both, to nothing", call({0: 0, 1: 25, 3: [422, "HEAD-BROKEN", 0]}, _answer)),
    "refusal-of-two": ("no seconds", call({0: 0, 1: 25, 2: HASH, 3: [422, "HEAD-BROKEN"]})),
    "refusal-of-five": ("something more", call({0: 0, 1: 25, 2: HASH, 3: [409, "HEAD-UNLINKED", 0, 7, 0]})),
    "refusal-map": ("not an array", call({0: 0, 1: 25, 2: HASH, 3: {0: 422}})),
    "status-200": ("not a refusal", call({0: 0, 1: 25, 2: HASH, 3: [200, "X", 0]})),
    "status-600": ("no HTTP status", call({0: 0, 1: 25, 2: HASH, 3: [600, "X", 0]})),
    "status-text": ("a text where a number belongs", call({0: 0, 1: 25, 2: HASH, 3: ["422", "X", 0]})),
    "code-empty": ("no code", call({0: 0, 1: 25, 2: HASH, 3: [422, "", 0]})),
    "code-65": ("a code too long", call({0: 0, 1: 25, 2: HASH, 3: [422, "X" * 65, 0]})),
    "code-not-ascii": ("a code of other letters", call({0: 0, 1: 25, 2: HASH, 3: [422, "Z\u00c4HLER", 0]})),
    "seconds-3601": ("later than anybody may ask for", call({0: 0, 1: 25, 2: HASH, 3: [503, "X", 3601]})),
    "seconds-negative": ("below zero", call({0: 0, 1: 25, 2: HASH, 3: [503, "X", -1]})),
    "size-negative": ("below zero", call({0: 0, 1: 25, 2: HASH, 3: [409, "X", 0, -1]})),
}
CASES = (
    *(Case(f"collect/{name}", "ok", SPEC, note, encode_collect(one)) for name, (note, one) in _good.items()),
    *(Case(f"collect/{name}", "COLLECT-FORM", SPEC, note, data) for name, (note, data) in _form.items()),
)
