"""Cases of files of messages beside an exported log (SPEC.md 3.12)."""

from __future__ import annotations

from protocol import cbor
from protocol.dossier import ROW, Cited, Shown, encode_row
from protocol.entries import Consigned, Place
from tests.vectors.c2sp.signing import HEAD
from tests.vectors.formats.case import CREATED, HASH, MESSAGE, SALT, Case
from tests.vectors.formats.entries import SUBMITTED
from tests.vectors.formats.envelopes import envelope

SPEC = "SPEC.md 3.12"
_PATH = HASH + b"i" * 32
_entry = Consigned(CREATED, SALT, HASH, MESSAGE, "xa-ca", Place(1, 4, 9, HASH)).encode()
_cited: list[cbor.Value] = [0, _entry, 7, _PATH]
_sent = Shown(4, envelope(), (Cited(0, _entry, 7, _PATH),))


def row(value: cbor.Value) -> bytes:
    """Any value, with its length before it."""
    raw = cbor.encode(value)
    return len(raw).to_bytes(4, "big") + raw


def _message(at: int, value: cbor.Value) -> bytes:
    """The message of the example with one member changed."""
    members: list[cbor.Value] = [1, 4, envelope(), [_cited]]
    return encode_row(HEAD) + row([*members[:at], value, *members[at + 1 :]])


def _proof(at: int, value: cbor.Value) -> bytes:
    """The example with one member of its proof changed."""
    return _message(3, [[*_cited[:at], value, *_cited[at + 1 :]]])


_good = {
    "example": ("a head of the recipient's log, and a message with its receipt under it", encode_row(HEAD) + encode_row(_sent)),
    "nothing": ("no message: an empty file", b""),
    "unanswered": ("a message without a receipt", encode_row(Shown(4, envelope(), ()))),
    "received": ("a message that came, with the sender's entry", encode_row(HEAD) + encode_row(Shown(0, envelope(), (Cited(0, SUBMITTED.encode(), 0, b""),)))),
    "two-heads": ("two messages under two heads", (encode_row(HEAD) + encode_row(_sent)) * 2),
    "head-not-there": ("whether the head that is cited stands before it is asked later", encode_row(_sent)),
}  # fmt: skip
_form = {
    "row-cut-short": ("ENV-2", encode_row(HEAD)[:-1]),
    "length-cut-short": ("three bytes of a length", encode_row(HEAD) + b"\0\0\0"),
    "row-too-long": ("longer than any row: refused before it is read", (ROW + 1).to_bytes(4, "big")),
    "row-a-map": ("not an array", row({0: HEAD})),
    "row-an-empty-array": ("nothing", row([])),
    "kind-2": ("no such row", row([2, HEAD])),
    "kind-false": ("false is not 0", row([False, HEAD])),
    "kind-true": ("true is not 1", _message(0, value=True)),
    "head-text": ("a text where the note's bytes belong", row([0, HEAD.decode()])),
    "head-of-three": ("something more", row([0, HEAD, 0])),
    "message-of-three": ("no proofs", row([1, 4, envelope()])),
    "message-of-five": ("something more", row([1, 4, envelope(), [], 0])),
    "index-negative": ("below zero", _message(1, -1)),
    "index-2-to-63": ("beyond 63 bits", _message(1, 2**63)),
    "index-true": ("true is not 1", _message(1, value=True)),
    "envelope-text": ("a text where bytes belong", _message(2, "envelope")),
    "proofs-a-map": ("not an array", _message(3, {0: _cited})),
    "proof-of-three": ("no path", _message(3, [_cited[:3]])),
    "proof-of-five": ("something more", _message(3, [[*_cited, 0]])),
    "proof-head-negative": ("below zero", _proof(0, -1)),
    "proof-head-false": ("false is not 0", _proof(0, value=False)),
    "proof-entry-text": ("a text where bytes belong", _proof(1, "entry")),
    "proof-index-negative": ("below zero", _proof(2, -1)),
    "proof-index-2-to-63": ("beyond 63 bits", _proof(2, 2**63)),
    "proof-path-63": ("no whole number of hashes", _proof(3, _PATH[:63])),
    "proof-path-array": ("the hashes stand in one string", _proof(3, [HASH])),
    "proof-path-64-hashes": ("longer than any path", _proof(3, HASH * 64)),
}
_cbor = {
    "empty-row": ("a row of no bytes", b"\0\0\0\0"),
    "row-trailing-byte": ("ENV-3: the length counts a byte more", (len(row([0, HEAD])) - 3).to_bytes(4, "big") + row([0, HEAD])[4:] + b"\0"),
    "value-cut-short": ("ENV-2: the length counts a byte less", b"\0\0\0\1\x82"),
}  # fmt: skip
CASES = (
    *(Case(f"dossier/{name}", "ok", SPEC, note, data) for name, (note, data) in _good.items()),
    *(Case(f"dossier/{name}", "DOSSIER-FORM", SPEC, note, data) for name, (note, data) in _form.items()),
    *(Case(f"dossier/{name}", "CBOR-FORM", SPEC, note, data) for name, (note, data) in _cbor.items()),
)
