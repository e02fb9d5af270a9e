"""Cases of what travels about heads alone: add-checkpoint, its answers, and links (SPEC.md 3.11)."""

from __future__ import annotations

from protocol import addcheckpoint, cbor, limits
from protocol.canonical import to_base64
from protocol.merkle import consistency, full_consistency
from protocol.pouch import HeadOffer
from protocol.vkey import Signature
from tests.vectors.c2sp.signing import COSIGNED_4, COSIGNED_6, HEAD, TREE, at_time, spoiled
from tests.vectors.formats.case import HASH, Case

TLOG = "C2SP tlog-witness, add-checkpoint"
OURS = "SPEC.md 3.11"
_PROOF = tuple(consistency(9, 13, TREE))
_line = to_base64(HASH)


def lines(*signatures: Signature) -> bytes:
    """What a witness answers: what a pouch bears in its field 5."""
    return "".join(f"{line}\n" for line in signatures).encode()


def request(*above: str, note: bytes = HEAD) -> bytes:
    """Lines, an empty one, and whatever follows."""
    return "".join(f"{line}\n" for line in above).encode() + b"\n" + note


_requests = {
    "example": ("from size 9 to size 13", addcheckpoint.format_request(HeadOffer(9, _PROOF, HEAD))),
    "first": ("the witness has confirmed nothing yet", addcheckpoint.format_request(HeadOffer(0, (), HEAD))),
    "same-size": ("shown again: nothing links equal sizes", addcheckpoint.format_request(HeadOffer(13, (), HEAD))),
    "cosigned-already": ("lines of other witnesses may be there", request("old 13", note=HEAD + lines(COSIGNED_4, COSIGNED_6))),
    "63-hashes": ("the longest proof", request("old 9", *(_line,) * 63)),
    "greatest-size": ("whether it is ours is asked later", request(f"old {2**63 - 1}")),
    "note-of-one-byte": ("the head is judged by itself, as the first two folders of C2SP.md say", request("old 0", note=b"x")),
}
_not_requests = {
    "no-bytes": ("ENV-1", b""),
    "no-old": ("the proof without its size", request(*map(to_base64, _PROOF))),
    "old-alone": ("nothing after the size", b"old 9\n"),
    "no-empty-line": ("nothing parts proof and head", b"old 9\n" + HEAD.replace(b"\n\n", b"\n")),
    "no-note": ("nothing after the empty line", request("old 9", note=b"")),
    "old-upper-case": ("another word", request("Old 9")),
    "old-two-spaces": ("one space", request("old  9")),
    "old-no-size": ("no number", request("old ")),
    "old-leading-zero": ("one spelling of a number", request("old 09")),
    "old-plus-sign": ("one spelling of a number", request("old +9")),
    "old-negative": ("below zero", request("old -1")),
    "old-underscore": ("what some languages take for a number", request("old 1_0")),
    "old-2-to-63": ("beyond 63 bits", request(f"old {2**63}")),
    "old-arabic-digits": ("digits of another script", request("old \u0669")),
    "crlf": ("lines end in LF", request("old 9\r")),
    "old-twice": ("a second size where a hash belongs", request("old 9", "old 9")),
    "64-hashes": ("longer than any proof", request("old 9", *(_line,) * 64)),
    "hash-31": ("a hash cut short", request("old 9", to_base64(HASH[:31]))),
    "hash-33": ("a byte more", request("old 9", to_base64(HASH + b"h"))),
    "hash-unpadded": ("base64 without its padding", request("old 9", _line.rstrip("="))),
    "hash-unused-bits": ("base64 whose unused bits are not zero", request("old 9", _line.replace("Gg=", "Gh="))),
    "hash-with-space": ("something behind the hash", request("old 9", _line + " ")),
    "hash-url-alphabet": ("base64 of another alphabet", request("old 9", to_base64(b"\xff" * 32).replace("/", "_"))),
    "too-long": ("one byte above 132 KiB", request("old 9", note=b"x" * (addcheckpoint.REQUEST - 6))),
}
_sizes = {
    "example": ("the size of the greatest head confirmed", b"13\n"),
    "zero": ("nothing is confirmed", b"0\n"),
    "256": ("three digits", b"256\n"),
    "greatest": ("63 bits", b"%d\n" % (2**63 - 1)),
}
_not_sizes = {
    "no-bytes": ("ENV-1", b""),
    "newline-alone": ("no number", b"\n"),
    "no-newline": ("cut short", b"13"),
    "two-newlines": ("something more", b"13\n\n"),
    "two-sizes": ("something more", b"13\n14\n"),
    "leading-zero": ("one spelling of a number", b"013\n"),
    "negative": ("below zero", b"-1\n"),
    "space": ("one spelling of a number", b" 13\n"),
    "crlf": ("lines end in LF", b"13\r\n"),
    "2-to-63": ("beyond 63 bits", b"%d\n" % 2**63),
    "arabic-digits": ("digits of another script", "\u0661\u0663\n".encode()),
}
_many = [at_time(COSIGNED_4, time) for time in range(1, limits.NOTE_SIGNATURES)]
_lines = {
    "example": ("both lines of one witness, 0x06 and 0x04", lines(COSIGNED_6, COSIGNED_4)),
    "one": ("one line", lines(COSIGNED_4)),
    "the-other-way-round": ("the order says nothing", lines(COSIGNED_4, COSIGNED_6)),
    "not-good": ("whether a line is good is asked later", lines(spoiled(COSIGNED_4))),
    "62": ("64 with those of the log: as many as a note may have", lines(*_many[:62])),
}
_not_lines = {
    "no-bytes": ("no line", b""),
    "no-newline": ("cut short", lines(COSIGNED_4)[:-1]),
    "crlf": ("lines end in LF", lines(COSIGNED_4).replace(b"\n", b"\r\n")),
    "empty-line-first": ("it would become part of the text", b"\n" + lines(COSIGNED_4)),
    "whole-note": ("another text, which is not the one that was shown", HEAD),
    "hyphen": ("an em dash begins a line", lines(COSIGNED_4).replace("\N{EM DASH}".encode(), b"-")),
    "no-name": ("no name of a key", lines(COSIGNED_4).replace(COSIGNED_4.name.encode() + b" ", b"")),
    "not-base64": ("a character of no base64", lines(COSIGNED_4)[:-2] + b"!\n"),
    "not-utf-8": ("another encoding", lines(COSIGNED_4) + b"\xe2\x80\n"),
}
_long = (HASH,) * 126
_paths: dict[str, tuple[str, list[list[bytes]]]] = {
    "example": ("from 3 and from 9 to 13", [full_consistency(3, 13, TREE), full_consistency(9, 13, TREE)]),
    "power-of-two": ("from 8 to 13: its first hash is always in it", [full_consistency(8, 13, TREE)]),
    "48": ("as many as are given at once", [list(_PROOF)] * 48),
    "junk": ("whether it links is asked later", [[HASH]]),
    "longest": ("more hashes than any path has", [list(_long)]),
}
_not_paths: dict[str, tuple[str, int, bytes]] = {
    "no-bytes": ("ENV-1", 1, b""),
    "trailing-byte": ("ENV-3", 1, cbor.encode([[HASH]]) + b"\0"),
    "cut-short": ("ENV-2", 1, cbor.encode([[HASH]])[:-1]),
    "a-map": ("not an array", 1, cbor.encode({0: [HASH]})),
    "one-missing": ("two were asked for", 2, cbor.encode([[HASH]])),
    "one-more": ("one was asked for", 1, cbor.encode([[HASH], [HASH]])),
    "path-a-hash": ("hashes, not in a path", 1, cbor.encode([HASH])),
    "path-a-map": ("a map for a path", 1, cbor.encode([{0: HASH}])),
    "hash-31": ("a hash cut short", 1, cbor.encode([[HASH[:31]]])),
    "hash-33": ("a byte more", 1, cbor.encode([[HASH + b"h"]])),
    "hash-text": ("a text where bytes belong", 1, cbor.encode([["h" * 32]])),
    "127-hashes": ("longer than any path", 1, cbor.encode([[HASH] * 127])),
    "indefinite": ("an array without its length", 1, b"\x9f\x81\x58\x20" + HASH + b"\xff"),
}
CASES = (
    *(Case(f"add-checkpoint/{name}", "ok", TLOG, note, data) for name, (note, data) in _requests.items()),
    *(Case(f"add-checkpoint/{name}", "WITNESS-FORM", TLOG, note, data) for name, (note, data) in _not_requests.items()),
    *(Case(f"size/{name}", "ok", TLOG, note, data) for name, (note, data) in _sizes.items()),
    *(Case(f"size/{name}", "WITNESS-FORM", TLOG, note, data) for name, (note, data) in _not_sizes.items()),
    *(Case(f"lines/{name}", "ok", TLOG, note, data) for name, (note, data) in _lines.items()),
    *(Case(f"lines/{name}", "NOTE-FORM", TLOG, note, data) for name, (note, data) in _not_lines.items()),
    Case("lines/63", "NOTE-SIZE", TLOG, "65 with those of the log", lines(*_many)),
    *(
        Case(f"links/{name}", "ok", OURS, note, cbor.encode(list(paths)), {"count": str(len(paths))})
        for name, (note, paths) in _paths.items()
    ),
    *(Case(f"links/{name}", "LINK-FORM", OURS, note, data, {"count": str(count)}) for name, (note, count, data) in _not_paths.items()),
)  # fmt: skip
