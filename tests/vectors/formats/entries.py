"""Cases of entries (SPEC.md 3.4): every kind once, and what each must not be."""

from __future__ import annotations

from protocol import cbor, limits
from protocol.entries import (
    Accessed,
    Act,
    Anchored,
    Closed,
    Consigned,
    Directory,
    Entry,
    Erased,
    Filler,
    Forked,
    HandedOver,
    Lane,
    Opened,
    Place,
    Prekeys,
    PublishedKey,
    Receipted,
    Refused,
    Submitted,
    TreeHead,
    Undelivered,
)
from tests.vectors.formats.case import CREATED, EXPIRES, HASH, MESSAGE, NETWORK, RECIPIENT, SALT, SENDER, Case, changed, without

SPEC = "SPEC.md 3.4"
PLACE = Place(1, 4, 9, b"r" * 32)
_said = (CREATED, SALT)
_about = (HASH, MESSAGE)
_keys = tuple(PublishedKey(bytes([i]) * 32, i, i + 86_400_000) for i in range(1, 9))

SUBMITTED = Submitted(*_said, *_about, Lane.URGENT, EXPIRES, 1)
_good: dict[str, tuple[str, Entry]] = {
    "opened": ("the first log of an authority", Opened(*_said, NETWORK, SENDER, 1, None, "first")),
    "opened-after-amnesia": ("both optional fields", Opened(*_said, NETWORK, SENDER, 2, TreeHead(9, HASH), "amnesia", (7, 9))),
    "opened-planned": ("one of the optional fields", Opened(*_said, NETWORK, SENDER, 2, TreeHead(9, HASH), "planned")),
    "submitted": ("the example of the page", SUBMITTED),
    "consigned": ("a receipt", Consigned(*_said, *_about, SENDER, PLACE)),
    "refused": ("a refusal", Refused(*_said, *_about, SENDER, PLACE, "WRAP-OPEN", 11)),
    "receipted": ("the sender holds the receipt", Receipted(*_said, *_about, RECIPIENT, PLACE, b"e" * 32)),
    "undelivered": ("nobody ever answered", Undelivered(*_said, *_about, RECIPIENT, "expired", 12, "")),
    "handed-over": ("content given to an officer", HandedOver(*_said, *_about, b"p" * 16, "case 4711")),
    "accessed": ("content read", Accessed(*_said, *_about, b"p" * 16, "case 4711")),
    "prekeys": ("one key", Prekeys(*_said, 1, _keys[:1])),
    "prekeys-8": ("as many keys as one set can list", Prekeys(*_said, 7, _keys)),
    "act": ("somebody did something", Act(*_said, b"p" * 16, "approved", HASH)),
    "erased": ("a key was destroyed", Erased(*_said, HASH, "retention", EXPIRES)),
    "anchored": ("a time-stamp over a head", Anchored(*_said, TreeHead(9, HASH), "rfc3161", b"t" * 32)),
    "directory": ("the directory in force", Directory(*_said, 3, HASH)),
    "forked": ("a fork proof is kept", Forked(*_said, "exercise.example/xb-ca/log/1", HASH)),
    "filler": ("says nothing", Filler(*_said)),
    "closed": ("the last entry", Closed(*_said, 2, "planned")),
}


def table(entry: Entry) -> dict[int, cbor.Value]:
    """An entry as its map."""
    return dict(cbor.decode(entry.encode()))  # type: ignore[arg-type]


_s, _c, _p, _o = table(SUBMITTED), table(_good["consigned"][1]), table(_good["prekeys"][1]), table(_good["opened-planned"][1])
_u, _r = table(_good["undelivered"][1]), table(_good["refused"][1])
_wrong: dict[str, tuple[str, bytes]] = {
    "kind-0": ("no such kind", changed(_s, 0, 0)),
    "kind-17": ("no such kind", changed(_s, 0, 17)),
    "kind-true": ("true is not 1", changed(_s, 0, value=True)),
    "no-kind": ("ENV-18: nothing says what it is", without(_s, 0)),
    "no-time": ("ENV-18", without(_s, 1)),
    "no-salt": ("ENV-18", without(_s, 2)),
    "no-hash": ("ENV-18", without(_s, 3)),
    "no-last-field": ("ENV-18", without(_s, 7)),
    "key-too-many": ("ENV-17: a field of no kind", changed(_s, 8, 0)),
    "not-a-map": ("an array", cbor.encode(list(_s.values()))),
    "time-negative": ("ENV-19", changed(_s, 1, -1)),
    "time-2-to-63": ("ENV-19: beyond 63 bits", changed(_s, 1, 2**63)),
    "salt-15": ("a salt cut short", changed(_s, 2, SALT[:15])),
    "salt-text": ("ENV-19: a text for bytes", changed(_s, 2, "s" * 16)),
    "hash-31": ("a hash cut short", changed(_s, 3, HASH[:31])),
    "message-id-zero": ("ENV-24: all zero", changed(_s, 4, bytes(16))),
    "message-id-15": ("ENV-24: a byte short", changed(_s, 4, MESSAGE[:15])),
    "message-id-17": ("ENV-24: a byte long", changed(_s, 4, MESSAGE + b"x")),
    "lane-2": ("no such lane", changed(_s, 5, 2)),
    "lane-true": ("true is not 1", changed(_s, 5, value=True)),
    "sender-upper-case": ("no name of an authority", changed(_c, 5, "XA-CA")),
    "place-index-is-size": ("RCP-2: beyond its head", changed(_c, 6, [1, 9, 9, HASH])),
    "place-log-0": ("logs count from 1", changed(_c, 6, [0, 4, 9, HASH])),
    "place-short": ("three of four", changed(_c, 6, [1, 4, 9])),
    "reason-empty": ("a text of nothing", changed(_r, 7, "")),
    "reason-65": ("a text too long", changed(_r, 7, "x" * 65)),
    "reason-newline": ("a text that is not printable", changed(_r, 7, "a\nb")),
    "last-code-int": ("ENV-19", changed(_u, 8, 0)),
    "prekeys-none": ("an empty set", changed(_p, 4, [])),
    "prekeys-twice": ("one key twice", changed(_p, 4, [[HASH, 1, 2], [HASH, 3, 4]])),
    "prekey-ends-first": ("it ends before it begins", changed(_p, 4, [[HASH, 2, 2]])),
    "opened-lost-short": ("a range of one", changed(_o, 8, [7])),
    "origin-int": ("ENV-19", changed(table(_good["forked"][1]), 3, 1)),
    "origin-of-no-log": ("an origin without its number", changed(table(_good["forked"][1]), 3, "exercise.example/xb-ca/log")),
}

CASES = (
    *(Case(f"entry/{name}", "ok", SPEC, note, entry.encode()) for name, (note, entry) in _good.items()),
    *(Case(f"entry/{name}", "ENTRY-FORM", SPEC, note, data) for name, (note, data) in _wrong.items()),
    Case("entry/trailing-byte", "CBOR-FORM", SPEC, "ENV-3: a byte too many", SUBMITTED.encode() + b"\0"),
    Case("entry/513-bytes", "ENTRY-SIZE", SPEC, "longer than an entry", b"\0" * (limits.ENTRY + 1)),
)
assert len(_good["prekeys-8"][1].encode()) <= limits.ENTRY
