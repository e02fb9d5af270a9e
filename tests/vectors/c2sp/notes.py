"""Cases of ``verify_note`` with the four keys of c2sp.keys."""

from __future__ import annotations

from protocol import cosignature
from protocol.canonical import to_base64
from protocol.vkey import COSIGNATURE_ED25519, Signature
from tests.protocol.c2sp import ORIGIN, TIME
from tests.vectors.c2sp.signing import (
    COSIGNATURE,
    COSIGNED_4,
    COSIGNED_6,
    NOTE,
    OTHER,
    OTHER_ORIGIN,
    OURS,
    SIGNERS,
    TEXT,
    TREE,
    WITNESS,
    Case,
    W,
    at_time,
    mldsa,
    note_of,
    plain,
    spoiled,
    swap,
)

HELLO = b"This is an example message.\n"
GOOD = plain(HELLO)
good = note_of(HELLO, GOOD)
line = str(GOOD)
b64 = line.split(" ")[2]
unknown = plain(HELLO, "example.org/xz-ca", OTHER)
form = "NOTE-FORM"
later = W.cosign(WITNESS, COSIGNATURE_ED25519, TREE.checkpoint(), TIME + 1)
bad = "NOTE-SIGNATURE"
copied = Signature(WITNESS, COSIGNED_6.key_id, mldsa(name="example.org/xc-ca/witness", signer=W).blob)


def part_of_tree() -> Signature:
    whole = cosignature.message_0x06(WITNESS, TIME, ORIGIN, 0, 13, TREE.root)
    at = len(whole) - 32 - 8 - 8
    message = whole[:at] + (8).to_bytes(8, "big") + whole[at + 8 :]
    return Signature(WITNESS, COSIGNED_6.key_id, cosignature.pack(TIME, W.sign_mldsa44(message)))


CASES = (
    Case("note/one-line", "ok", NOTE, "one 0x01 line by a known key", good),
    Case(
        "note/empty-lines-in-text",
        "ok",
        NOTE,
        "the last blank line ends the text",
        note_of(b"a\n\n\nb\n\n", plain(b"a\n\n\nb\n\n")),
    ),
    Case(
        "note/not-ascii",
        "ok",
        NOTE,
        "any UTF-8 may stand in the text",
        note_of("é\u2028ж\n".encode(), plain("é\u2028ж\n".encode())),
    ),
    Case("note/unknown-key", "ok", SIGNERS, "a line of an unknown key is ignored", note_of(HELLO, unknown, GOOD)),
    Case(
        "note/unknown-id-known-name",
        "ok",
        SIGNERS,
        "ignored: name alone names no key",
        note_of(HELLO, Signature(ORIGIN, b"\x00\x00\x00\x00", b"x"), GOOD),
    ),
    Case(
        "note/known-id-unknown-name",
        "ok",
        SIGNERS,
        "LOG-5: ignored: an id alone names no key",
        note_of(HELLO, Signature("example.org/xz-ca", GOOD.key_id, b"x"), GOOD),
    ),
    Case(
        "note/unknown-line-twice", "ok", SIGNERS, "unknown keys are ignored, twice too", note_of(HELLO, unknown, unknown, GOOD)
    ),
    Case("note/64-lines", "ok", OURS, "LOG-4: as many as are taken", note_of(HELLO, *[unknown] * 63, GOOD)),
    Case("note/cosigned-0x04", "ok", COSIGNATURE, "an Ed25519 cosignature", note_of(TEXT, COSIGNED_4)),
    Case("note/cosigned-0x06", "ok", COSIGNATURE, "an ML-DSA-44 cosignature", note_of(TEXT, COSIGNED_6)),
    Case("note/65-lines", "NOTE-SIZE", OURS, "LOG-4: one line too many", note_of(HELLO, *[unknown] * 64, GOOD)),
    Case("note/empty", form, NOTE, "no bytes at all", b""),
    Case("note/no-blank-line", form, NOTE, "text and lines are not separated", HELLO + f"{GOOD}\n".encode()),
    Case("note/no-lines", form, NOTE, "nothing after the blank line", HELLO + b"\n"),
    Case("note/no-final-newline", form, NOTE, "LOG-1: the last line does not end", good[:-1]),
    Case("note/blank-line-at-end", form, NOTE, "the last blank line has no lines after it", good + b"\n"),
    Case("note/text-after-lines", form, NOTE, "a line that is no signature line", good + b"more\n"),
    Case("note/not-utf-8", form, NOTE, "a byte that is no UTF-8", swap(good, "an example", b"\xff example")),
    Case("note/tab", form, NOTE, "LOG-1: a control character", swap(good, "an example", "an\texample")),
    Case("note/crlf", form, NOTE, "LOG-1: line ends of another kind", swap(good, "message.\n", "message.\r\n")),
    Case("note/nul", form, NOTE, "LOG-1: a control character", swap(good, "message", "mess\x00age")),
    Case("note/hyphen", form, NOTE, "a hyphen where the em dash belongs", swap(good, "\N{EM DASH}", "-")),
    Case("note/two-spaces", form, NOTE, "a name may not begin with a space", swap(good, "\N{EM DASH} ", "\N{EM DASH}  ")),
    Case("note/space-at-end", form, NOTE, "something after the base64", swap(good, b64, b64 + " ")),
    Case("note/plus-in-name", form, NOTE, "a plus sign in a name", swap(good, ORIGIN, "example.org/a+b")),
    Case("note/no-break-space-in-name", form, NOTE, "a Unicode space in a name", swap(good, ORIGIN, "example.org/a\xa0b")),
    Case("note/no-name", form, NOTE, "base64 alone", swap(good, ORIGIN + " ", "")),
    Case("note/base64-unpadded", form, OURS, "base64 without its padding", note_of(HELLO, GOOD, str(unknown).rstrip("="))),
    Case(
        "note/base64-unused-bits",
        form,
        OURS,
        "base64 whose unused bits are not zero",
        note_of(HELLO, GOOD, f"\N{EM DASH} x {to_base64(bytes(71))[:-2]}B="),
    ),
    Case("note/no-em-dash", form, NOTE, "a name and base64 alone", note_of(HELLO, GOOD, str(unknown)[2:])),
    Case("note/base64url", form, NOTE, "base64 of another alphabet", note_of(HELLO, GOOD, f"\N{EM DASH} x {'_' * 8}")),
    Case(
        "note/id-only",
        form,
        NOTE,
        "a line with an id and no signature",
        note_of(HELLO, GOOD, Signature("x", b"\x00\x00\x00\x00", b"")),
    ),
    Case("note/id-cut-short", form, NOTE, "a line with half an id", note_of(HELLO, GOOD, Signature("x", b"\x00\x00", b""))),
    Case("note/no-known-key", "NOTE-UNSIGNED", SIGNERS, "LOG-2: only a stranger signed", note_of(HELLO, unknown)),
    Case("note/repeated", "NOTE-REPEATED", OURS, "NOTE-1: one key, one line, twice", note_of(HELLO, GOOD, GOOD)),
    Case(
        "note/repeated-at-another-time",
        "NOTE-REPEATED",
        OURS,
        "NOTE-1: one key, two good lines",
        note_of(TEXT, COSIGNED_4, later),
    ),
    Case("note/bad-0x01", bad, SIGNERS, "LOG-3: one bit of the signature", note_of(HELLO, spoiled(GOOD))),
    Case("note/bad-0x04", bad, SIGNERS, "LOG-3: one bit of the signature", note_of(TEXT, spoiled(COSIGNED_4))),
    Case("note/bad-0x06", bad, SIGNERS, "LOG-3: one bit of the signature", note_of(TEXT, spoiled(COSIGNED_6))),
    Case(
        "note/bad-beside-good",
        bad,
        SIGNERS,
        "LOG-3: a known key's bad line refuses the note",
        note_of(TEXT, plain(TEXT), spoiled(COSIGNED_4)),
    ),
    Case("note/other-text", bad, SIGNERS, "the signature is of another text", swap(good, "an example", "no example")),
    Case(
        "note/0x01-too-long",
        bad,
        SIGNERS,
        "65 bytes of signature",
        note_of(HELLO, Signature(GOOD.name, GOOD.key_id, GOOD.blob + b"\x00")),
    ),
    Case(
        "note/0x06-too-short",
        bad,
        COSIGNATURE,
        "2,419 bytes of signature",
        note_of(TEXT, Signature(WITNESS, COSIGNED_6.key_id, COSIGNED_6.blob[:-1])),
    ),
    Case(
        "note/0x04-without-time",
        bad,
        COSIGNATURE,
        "a bare Ed25519 signature",
        note_of(TEXT, Signature(WITNESS, COSIGNED_4.key_id, W.sign_ed25519(TEXT))),
    ),
    Case("note/0x04-other-time", bad, COSIGNATURE, "LOG-13: the time is signed", note_of(TEXT, at_time(COSIGNED_4, TIME + 1))),
    Case("note/0x06-other-time", bad, COSIGNATURE, "LOG-13: the time is signed", note_of(TEXT, at_time(COSIGNED_6, TIME + 1))),
    Case("note/0x06-of-another-name", bad, COSIGNATURE, "LOG-13: the cosigner's name is signed", note_of(TEXT, copied)),
    Case(
        "note/0x06-of-another-origin",
        bad,
        COSIGNATURE,
        "the log's origin is signed",
        note_of(TEXT, mldsa(origin=OTHER_ORIGIN, name=WITNESS, signer=W)),
    ),
    Case(
        "note/0x06-of-a-part",
        bad,
        COSIGNATURE,
        "LOG-14: a part of the tree that starts at 8 was signed",
        note_of(TEXT, part_of_tree()),
    ),
    *(
        Case(
            f"note/{kind}-time-zero",
            "NOTE-TIME",
            OURS,
            "LOG-13: a line says when it was made",
            note_of(TEXT, at_time(cosigned, 0)),
        )
        for kind, cosigned in (("0x04", COSIGNED_4), ("0x06", COSIGNED_6))
    ),
    *(
        Case(
            f"note/{kind}-time-too-large",
            "NOTE-TIME",
            COSIGNATURE,
            "LOG-13: beyond 2^63 - 1",
            note_of(TEXT, at_time(cosigned, 2**63)),
        )
        for kind, cosigned in (("0x04", COSIGNED_4), ("0x06", COSIGNED_6))
    ),
    Case("note/0x06-over-no-checkpoint", "CHECKPOINT-FORM", COSIGNATURE, "0x06 signs heads only", note_of(HELLO, COSIGNED_6)),
)
