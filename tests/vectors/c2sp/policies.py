"""Cases of ``parse_policy`` and, where a head is named, of ``Policy.check`` with that head."""

from __future__ import annotations

from protocol.vkey import COSIGNATURE_ED25519, VKey
from tests.protocol.c2sp import KEYS, ORIGIN, Pair
from tests.vectors.c2sp.signing import (
    HEAD,
    OTHER_ORIGIN,
    POLICY,
    TEXT,
    TREE,
    Case,
    Signer,
    W,
    mldsa,
    note_of,
    plain,
    spoiled,
)

W2, W3 = Signer("witness 2"), Signer("witness 3")


def witness_key(signer: Pair, n: int) -> VKey:
    return signer.vkey(f"example.org/x{n}-ca/witness", COSIGNATURE_ED25519)


KEY_1, KEY_2, KEY_3 = (witness_key(signer, n) for n, signer in enumerate((W, W2, W3), 1))
LINE_1, LINE_2, LINE_3 = (
    signer.cosign(key.name, COSIGNATURE_ED25519, TREE.checkpoint()) for signer, key in ((W, KEY_1), (W2, KEY_2), (W3, KEY_3))
)
HEADS = {
    "logged": HEAD,
    "seen-by-1-and-2": HEAD + f"{LINE_1}\n{LINE_2}\n".encode(),
    "seen-by-1": HEAD + f"{LINE_1}\n".encode(),
    "seen-by-1-badly-2": HEAD + f"{LINE_1}\n{spoiled(LINE_2)}\n".encode(),
    "without-0x06-seen-by-all": note_of(TEXT, plain(TEXT), LINE_1, LINE_2, LINE_3),
    "of-another-log": note_of(
        TREE.checkpoint(OTHER_ORIGIN).text(), plain(TREE.checkpoint(OTHER_ORIGIN).text()), mldsa(origin=OTHER_ORIGIN)
    ),
}


log, mine = (f"{vkey}" for vkey in KEYS.vkeys)
above = f"log {log}\nwitness self {mine}\nwitness w1 {KEY_1}\nwitness w2 {KEY_2}\nwitness w3 {KEY_3}\n"
two_of_three = above + "group ws 2 w1 w2 w3\ngroup all-of-them all self ws\nquorum all-of-them\n"
twice = "POLICY-DUPLICATE"
renamed = W.vkey("example.org/x9-ca/witness", COSIGNATURE_ED25519)
form = "POLICY-FORM"


def policy(name: str, expect: str, note: str, text: str, head: str | None = None) -> Case:
    return Case(f"policy/{name}", expect, POLICY, note, text.encode("utf-8", "surrogateescape"), head)


CASES = (
    policy("quorum-none", "ok", "the log alone decides", f"log {log}\nquorum none\n", "logged"),
    policy("quorum-self", "ok", "both signatures of the log", f"log {log}\nwitness self {mine}\nquorum self\n", "logged"),
    policy("two-of-three", "ok", "a quorum of witnesses", two_of_three, "seen-by-1-and-2"),
    policy("any", "ok", "any is a threshold of 1", above + "group g any w1 w2\nquorum g\n", "seen-by-1"),
    policy(
        "comments-tabs-urls",
        "ok",
        "what may stand besides",
        f"# c\n\n \tlog\t{log} https://a.example/ \n #c\nquorum none\n",
        "logged",
    ),
    policy("quorum-first", "ok", "log lines in any order", f"quorum none\nlog {log}\n", "logged"),
    policy(
        "names-are-octets",
        "ok",
        "K and the Kelvin sign are two names",
        f"log {log}\nwitness K {KEY_1}\nwitness \u212a {KEY_2}\nquorum K\n",
        "seen-by-1",
    ),
    policy("two-of-three-seen-by-one", "POLICY-QUORUM", "LOG-16: quorum minus one", two_of_three, "seen-by-1"),
    policy(
        "two-of-three-without-self",
        "POLICY-QUORUM",
        "LOG-16: the log's ML-DSA-44 line is missing",
        two_of_three,
        "without-0x06-seen-by-all",
    ),
    policy(
        "known-witness-fails",
        "NOTE-SIGNATURE",
        "LOG-3: a known witness's bad line refuses the note",
        two_of_three,
        "seen-by-1-badly-2",
    ),
    policy(
        "log-of-another-origin",
        "POLICY-LOG",
        "LOG-6: a log signs under its own origin only",
        f"log {log}\nquorum none\n",
        "of-another-log",
    ),
    policy("no-log", "POLICY-LOG", "without a log nothing is accepted", f"witness self {mine}\nquorum self\n", "logged"),
    policy("witness-twice", twice, "LOG-17: one name, one key, twice", above + f"witness w1 {KEY_1}\nquorum w1\n"),
    policy("key-under-two-names", twice, "LOG-17: one key counts once", above + f"witness w9 {renamed}\nquorum w1\n"),
    policy("log-twice", twice, "one log listed twice", f"log {log}\nlog {log}\nquorum none\n"),
    policy("member-twice", twice, "LOG-17: twice in one group", above + "group g 2 w1 w1\nquorum g\n"),
    policy(
        "member-of-two-groups", twice, "LOG-17: each name in one group", above + "group g any w1\ngroup h all g w1\nquorum h\n"
    ),
    policy("name-of-group-and-witness", twice, "one name for two things", above + "group w1 any w2\nquorum w1\n"),
    *(
        policy(name, form, note, text)
        for name, note, text in (
            ("empty", "no quorum line", ""),
            ("no-quorum", "no quorum line", above),
            ("two-quorums", "two quorum lines", "quorum none\nquorum none\n"),
            ("quorum-unknown", "a name that is not defined", "quorum w1\n"),
            ("quorum-before-witness", "a name that is defined later", f"quorum w1\nwitness w1 {KEY_1}\n"),
            ("no-final-newline", "the last line does not end", "quorum none"),
            ("crlf", "line ends of another kind", "quorum none\r\n"),
            ("delete-character", "0x7F is a control character", "# \x7f\nquorum none\n"),
            ("no-break-space", "only spaces and tabs separate", "quorum\xa0none\n"),
            ("comment-at-end-of-line", "a comment is a line of its own", "quorum none # c\n"),
            ("unknown-keyword", "a line of no kind", "trust none\nquorum none\n"),
            ("upper-case-keyword", "keywords are lower case", "Quorum none\n"),
            ("group-of-none", "none is no member", above + "group g any none\nquorum g\n"),
            ("group-without-members", "at least one member", above + "group g any\nquorum g\n"),
            ("group-of-itself", "members are defined before", above + "group g any g\nquorum g\n"),
            (
                "group-before-witness",
                "members are defined before",
                f"group g any w1\nwitness w1 {KEY_1}\nquorum g\n",
            ),
            ("threshold-0", "k is at least 1", above + "group g 0 w1\nquorum g\n"),
            ("threshold-too-large", "k is at most n", above + "group g 3 w1 w2\nquorum g\n"),
            ("threshold-leading-zero", "one spelling of a number", above + "group g 01 w1 w2\nquorum g\n"),
            ("witness-named-none", "the name none is taken", f"witness none {KEY_1}\nquorum none\n"),
            ("log-with-witness-key", "0x04 signs no heads of its own", f"log {KEY_1}\nquorum none\n"),
            ("witness-with-log-key", "0x01 says no time", f"witness w {log}\nquorum w\n"),
            ("control-character", "in a comment too", "# \x01\nquorum none\n"),
            (
                "witness-with-two-urls",
                "one url at most",
                f"witness w1 {KEY_1} https://a.example/ https://b.example/\nquorum none\n",
            ),
            ("log-with-two-urls", "one url at most", f"log {log} https://a.example/ https://b.example/\nquorum none\n"),
        )
    ),
    policy("vkey-cut-short", "NOTE-VKEY", "31 bytes of key", f"log {log[:-4]}\nquorum none\n"),
    policy(
        "vkey-other-id",
        "NOTE-VKEY",
        "the id does not follow from the key",
        f"log {log.replace(ORIGIN, OTHER_ORIGIN)}\nquorum none\n",
    ),
)
