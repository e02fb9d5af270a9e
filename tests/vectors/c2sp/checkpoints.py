"""Cases of ``verify_head`` with the log's two keys, the first two of c2sp.keys."""

from __future__ import annotations

from protocol.canonical import to_base64
from protocol.vkey import COSIGNATURE_ED25519
from tests.protocol.c2sp import ORIGIN, Tree
from tests.vectors.c2sp.signing import (
    CHECKPOINT,
    COSIGNATURE,
    COSIGNED_4,
    HEAD,
    LOG,
    NOTE,
    OTHER,
    OTHER_ORIGIN,
    OURS,
    SIGNERS,
    TEXT,
    TREE,
    Case,
    at_time,
    mldsa,
    note_of,
    plain,
    spoiled,
    swap,
)

root = to_base64(TREE.root)
one = Tree([b"entry 0"])
form = "CHECKPOINT-FORM"
loose = root[:-2] + chr(ord(root[-2]) + 1) + "="
empty = Tree([]).checkpoint().text()
other = TREE.checkpoint(OTHER_ORIGIN).text()
their_lines = (plain(other, OTHER_ORIGIN), mldsa(origin=OTHER_ORIGIN, name=OTHER_ORIGIN))
our_lines = (plain(other), mldsa(origin=OTHER_ORIGIN))


def signed(text: bytes) -> bytes:
    """Any text under both lines of the log, the 0x06 line over the good head."""
    return note_of(text, plain(text), mldsa())


CASES = (
    Case("checkpoint/head", "ok", CHECKPOINT, "both lines of the log", HEAD),
    Case(
        "checkpoint/lines-the-other-way-round",
        "ok",
        OURS,
        "the order of lines has no meaning",
        note_of(TEXT, mldsa(), plain(TEXT)),
    ),
    Case("checkpoint/witnessed", "ok", OURS, "lines of witnesses beside the log's", HEAD + f"{COSIGNED_4}\n".encode()),
    Case(
        "checkpoint/bad-witness",
        "ok",
        OURS,
        "whoever does not ask for a witness does not read its line",
        HEAD + f"{spoiled(COSIGNED_4)}\n".encode(),
    ),
    Case(
        "checkpoint/size-1",
        "ok",
        CHECKPOINT,
        "the smallest head",
        note_of(one.checkpoint().text(), plain(one.checkpoint().text()), mldsa(1, one.root)),
    ),
    *(
        Case(f"checkpoint/size-{name}", form, CHECKPOINT, note, signed(swap(TEXT, "\n13\n", f"\n{size}\n")))
        for name, size, note in (
            ("leading-zero", "013", "LOG-1: a leading zero"),
            ("plus-sign", "+13", "LOG-1: a sign"),
            ("minus-sign", "-13", "a negative size"),
            ("underscore", "1_3", "Python reads it, nobody else"),
            ("arabic-digits", "١٣", "digits outside ASCII"),
            ("space", "13 ", "a space after the number"),
            ("none", "", "an empty line"),
            ("2-to-63", str(2**63), "more than a signed 64-bit integer holds"),
        )
    ),
    Case("checkpoint/root-31-bytes", form, CHECKPOINT, "a root cut short", signed(swap(TEXT, root, to_base64(TREE.root[:31])))),
    Case("checkpoint/root-unpadded", form, CHECKPOINT, "base64 without its padding", signed(swap(TEXT, root, root[:-1]))),
    Case("checkpoint/root-unused-bits", form, OURS, "base64 whose unused bits are not zero", signed(swap(TEXT, root, loose))),
    Case(
        "checkpoint/extension-line",
        form,
        OURS,
        "LOG-1: a fourth line, which 0x06 does not cover",
        signed(TEXT + b"extension\n"),
    ),
    Case("checkpoint/two-lines", form, CHECKPOINT, "no root", signed(swap(TEXT, root + "\n", ""))),
    Case("checkpoint/no-origin", form, CHECKPOINT, "an empty first line", signed(swap(TEXT, ORIGIN, ""))),
    Case(
        "checkpoint/origin-with-space",
        form,
        OURS,
        "an origin that can be no key's name",
        signed(swap(TEXT, ORIGIN, "two words")),
    ),
    Case("checkpoint/crlf", "NOTE-FORM", NOTE, "LOG-1: line ends of another kind", signed(TEXT.replace(b"\n", b"\r\n"))),
    Case(
        "checkpoint/size-0",
        "CHECKPOINT-EMPTY",
        OURS,
        "a log begins with its entry opened",
        note_of(empty, plain(empty), mldsa(0, Tree([]).root)),
    ),
    Case(
        "checkpoint/other-origin",
        "CHECKPOINT-ORIGIN",
        OURS,
        "LOG-6: another log under the same keys",
        note_of(other, *their_lines),
    ),
    Case(
        "checkpoint/other-origin-our-name",
        "CHECKPOINT-ORIGIN",
        OURS,
        "LOG-6: the lines bear our log's name",
        note_of(other, *our_lines),
    ),
    Case(
        "checkpoint/other-name",
        "NOTE-UNSIGNED",
        OURS,
        "the lines bear another log's name",
        note_of(TEXT, plain(TEXT, OTHER_ORIGIN), mldsa(name=OTHER_ORIGIN)),
    ),
    Case("checkpoint/only-0x01", "CHECKPOINT-SIGNATURES", OURS, "the ML-DSA-44 line is missing", note_of(TEXT, plain(TEXT))),
    Case("checkpoint/only-0x06", "CHECKPOINT-SIGNATURES", OURS, "the Ed25519 line is missing", note_of(TEXT, mldsa())),
    Case(
        "checkpoint/0x04-for-0x06",
        "CHECKPOINT-SIGNATURES",
        OURS,
        "an Ed25519 cosignature is no second kind of signature",
        note_of(TEXT, plain(TEXT), LOG.cosign(ORIGIN, COSIGNATURE_ED25519, TREE.checkpoint())),
    ),
    Case("checkpoint/repeated-0x01", "NOTE-REPEATED", OURS, "NOTE-1: one key, two lines", HEAD + f"{plain(TEXT)}\n".encode()),
    Case("checkpoint/repeated-0x06", "NOTE-REPEATED", OURS, "NOTE-1: one key, two lines", HEAD + f"{mldsa()}\n".encode()),
    Case(
        "checkpoint/bad-0x01",
        "NOTE-SIGNATURE",
        SIGNERS,
        "ML-DSA-44 alone is not enough",
        note_of(TEXT, spoiled(plain(TEXT)), mldsa()),
    ),
    Case(
        "checkpoint/bad-0x06",
        "NOTE-SIGNATURE",
        SIGNERS,
        "Ed25519 alone is not enough",
        note_of(TEXT, plain(TEXT), spoiled(mldsa())),
    ),
    Case(
        "checkpoint/0x06-of-another-size",
        "NOTE-SIGNATURE",
        COSIGNATURE,
        "the two lines sign two heads",
        note_of(TEXT, plain(TEXT), mldsa(14)),
    ),
    Case(
        "checkpoint/time-zero", "NOTE-TIME", OURS, "the log's time is not zero", note_of(TEXT, plain(TEXT), at_time(mldsa(), 0))
    ),
    Case(
        "checkpoint/stranger",
        "NOTE-UNSIGNED",
        OURS,
        "other keys under the log's name",
        note_of(TEXT, plain(TEXT, signer=OTHER), mldsa(signer=OTHER)),
    ),
)
