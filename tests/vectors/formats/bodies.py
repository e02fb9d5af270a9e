"""Cases of bodies (SPEC.md 3.7): part 0 of the envelope that envelopes.FIELDS describes, with one attachment more where said."""

from __future__ import annotations

import unicodedata

from protocol import cbor
from tests.vectors.formats.case import (
    CREATED,
    EXPIRES,
    HASH,
    MESSAGE,
    NETWORK,
    RECIPIENT,
    SENDER,
    THIRD,
    Case,
    changed,
    without,
)

SPEC = "SPEC.md 3.7"
FILE: list[cbor.Value] = ["application/pdf", "order.pdf", 48_213, HASH, "domestic_order"]
FIELDS: dict[int, cbor.Value] = {
    0: NETWORK, 1: MESSAGE, 2: SENDER, 3: [RECIPIENT], 4: CREATED, 5: EXPIRES, 6: 0, 7: "mla", 8: [f"{RECIPIENT}/mla"],
    9: "MLA_RECORDS", 10: b'{"kind": "MLA_RECORDS"}', 11: [], 12: MESSAGE, 13: 1,
}  # fmt: skip
WITH_FILE = {**FIELDS, 11: [FILE]}
_decomposed = unicodedata.normalize("NFD", "Anhörung")


def _file(at: int, value: cbor.Value) -> bytes:
    return changed(FIELDS, 11, [[*FILE[:at], value, *FILE[at + 1 :]]])


_good = {
    "example": (1, "the example of the page, without its file", cbor.encode(FIELDS)),
    "file": (2, "one attachment", cbor.encode(WITH_FILE)),
    "answers": (1, "an answer to a message", changed(FIELDS, 14, b"a" * 16)),
    "empty-form": (1, "the form is not looked at here", changed(FIELDS, 10, b"")),
    "two-offices": (1, "two of one authority", changed(FIELDS, 8, [f"{RECIPIENT}/mla", f"{RECIPIENT}/247"])),
    "file-name-nfc": (2, "a composed character", _file(1, "Anhörung.pdf")),
    "file-name-path": (2, "ATT-17: shown, never used", _file(1, "../../etc/cron.d/x")),
    "file-name-rlo": (2, "ATT-17: shown escaped", _file(1, "fdp.\u202eexe")),
}
_copies = {
    "other-network": ("SIG-17", changed(FIELDS, 0, bytes(32))),
    "other-message-id": ("ENC-18", changed(FIELDS, 1, b"x" * 16)),
    "other-sender": ("ENC-18", changed(FIELDS, 2, THIRD)),
    "other-recipients": ("ENC-18", changed(FIELDS, 3, [RECIPIENT, THIRD])),
    "recipients-swapped": ("SIG-13", changed(FIELDS, 3, [THIRD, RECIPIENT])),
    "other-created": ("ENC-20", changed(FIELDS, 4, CREATED + 1)),
    "other-expires": ("ENC-18", changed(FIELDS, 5, EXPIRES + 1)),
    "other-lane": ("ENC-18", changed(FIELDS, 6, 1)),
    "lane-false": ("false is not 0", changed(FIELDS, 6, value=False)),
}
_form = {
    "key-15": (1, "ENC-19: an unknown field", changed({**FIELDS, 14: b"a" * 16}, 15, 0)),
    **{f"no-key-{i}": (1, "a field is missing", without(FIELDS, i)) for i in range(14)},
    "trailing-byte": (1, "ENC-19", cbor.encode(FIELDS) + b"\0"),
    "key-twice": (1, "ENC-19", b"\xaf" + cbor.encode(FIELDS)[1:] + b"\x0d\x01"),
    "not-a-map": (1, "an array", cbor.encode(list(FIELDS.values()))),
    "office-empty": (1, "no sending office", changed(FIELDS, 7, "")),
    "office-slash": (1, "a full name where the part after the slash belongs", changed(FIELDS, 7, "xa-ca/mla")),
    "to-nobody": (1, "no receiving office", changed(FIELDS, 8, [])),
    "to-others": (1, "offices of another authority", changed(FIELDS, 8, [f"{THIRD}/mla"])),
    "to-one-twice": (1, "one office twice", changed(FIELDS, 8, [f"{RECIPIENT}/mla"] * 2)),
    "to-authority": (1, "an authority where an office belongs", changed(FIELDS, 8, [RECIPIENT])),
    "kind-65": (1, "a code too long", changed(FIELDS, 9, "K" * 65)),
    "form-text": (1, "a text where bytes belong", changed(FIELDS, 10, "{}")),
    "file-without-part": (1, "more files than parts", cbor.encode(WITH_FILE)),
    "part-without-file": (2, "more parts than files", cbor.encode(FIELDS)),
    "file-of-four": (2, "a file without its role", changed(FIELDS, 11, [FILE[:4]])),
    "file-name-empty": (2, "no name", _file(1, "")),
    "file-name-256": (2, "a name too long", _file(1, "x" * 256)),
    "file-name-nfd": (2, "ENC-19: decomposed", _file(1, _decomposed)),
    "file-length-negative": (2, "less than nothing", _file(2, -1)),
    "file-digest-31": (2, "a digest cut short", _file(3, HASH[:31])),
    "role-65": (2, "a role too long", _file(4, "r" * 65)),
    "conversation-15": (1, "an id cut short", changed(FIELDS, 12, MESSAGE[:15])),
    "sequence-negative": (1, "below zero", changed(FIELDS, 13, -1)),
    "answers-17": (1, "an id too long", changed(FIELDS, 14, b"a" * 17)),
}

CASES = (
    *(Case(f"body/{name}", "ok", SPEC, note, data, {"parts": str(n)}) for name, (n, note, data) in _good.items()),
    *(Case(f"body/{name}", "BODY-COPIES", SPEC, note, data, {"parts": "1"}) for name, (note, data) in _copies.items()),
    *(Case(f"body/{name}", "BODY-FORM", SPEC, note, data, {"parts": str(n)}) for name, (n, note, data) in _form.items()),
)
