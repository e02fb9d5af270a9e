"""Cases of ``verify_entry_proof`` with the log's two keys."""

from __future__ import annotations

from protocol.canonical import to_base64
from tests.protocol.c2sp import ORIGIN, Tree
from tests.vectors.c2sp.signing import (
    HEAD,
    OTHER,
    OURS,
    PROOF,
    TEXT,
    TREE,
    Case,
    mldsa,
    note_of,
    plain,
    swap,
)


def proof_of(index: int = 5, tree: Tree = TREE, head: bytes = HEAD, extra: bytes | None = None) -> bytes:
    lines = ["c2sp.org/tlog-proof@v1", f"extra {to_base64(tree.entries[index] if extra is None else extra)}", f"index {index}"]
    return "".join(f"{line}\n" for line in (*lines, *map(to_base64, tree.path(index)))).encode() + b"\n" + head


good = proof_of()
path = [to_base64(h) for h in TREE.path(5)]
one = Tree([b"entry 0"])
head_of_one = note_of(one.checkpoint().text(), plain(one.checkpoint().text()), mldsa(1, one.root))
form = "PROOF-FORM"
extra = f"extra {to_base64(TREE.entries[5])}\n"
wrong = "PROOF-INCLUSION"
flipped = to_base64(bytes((TREE.path(5)[1][0] ^ 1, *TREE.path(5)[1][1:])))


CASES = (
    Case("proof/middle", "ok", PROOF, "an entry in the middle", good),
    Case("proof/last", "ok", PROOF, "the last entry has a shorter path", proof_of(12)),
    Case("proof/only-one", "ok", PROOF, "the only entry has no path", proof_of(0, one, head_of_one)),
    *(
        Case(f"proof/{name}", form, PROOF, note, swap(good, old, new))
        for name, note, old, new in (
            ("no-first-line", "the first line is missing", "c2sp.org/tlog-proof@v1\n", ""),
            ("v2", "another version", "@v1\n", "@v2\n"),
            ("no-index", "the index is missing", "index 5\n", ""),
            ("extra-after-index", "lines in another order", extra + "index 5\n", "index 5\n" + extra),
            ("extra-twice", "a second extra", extra, extra + extra),
            ("extra-empty", "an extra without bytes", extra, "extra \n"),
            ("extra-unpadded", "base64 without its padding", extra, extra.replace("=", "")),
            ("extra-513-bytes", "longer than an entry", extra, f"extra {to_base64(bytes(513))}\n"),
            ("index-without-its-name", "a bare number", "index 5\n", "5\n"),
            ("index-leading-zero", "LOG-7: a leading zero", "index 5\n", "index 05\n"),
            ("index-plus-sign", "a sign", "index 5\n", "index +5\n"),
            ("index-2-to-63", "more than a signed 64-bit integer holds", "index 5\n", f"index {2**63}\n"),
            ("index-space", "two spaces", "index 5\n", "index  5\n"),
            ("path-31-bytes", "a hash cut short", path[1], to_base64(TREE.path(5)[1][:31])),
            ("path-unpadded", "base64 without its padding", path[1], path[1][:-1]),
            ("path-64-lines", "LOG-7: longer than any path", path[0], "\n".join(path[:1] * 61)),
            ("crlf", "line ends of another kind", "index 5\n", "index 5\r\n"),
            ("not-ascii", "a character outside ASCII", "index 5\n", "index ٥\n"),
        )
    ),
    Case("proof/no-head", form, PROOF, "nothing after the blank line", good[: good.index(b"\n\n") + 2]),
    Case("proof/no-blank-line", form, PROOF, "path and head are not separated", swap(good, f"\n\n{ORIGIN}", f"\n{ORIGIN}")),
    Case("proof/no-extra", "PROOF-EXTRA", OURS, "the entry is not in the proof", swap(good, extra, "")),
    Case("proof/extra-altered", wrong, OURS, "RCP-4: extra is hashed", proof_of(extra=b"entry 6")),
    Case("proof/hash-flipped", wrong, PROOF, "LOG-7: one bit of the path", swap(good, path[1], flipped)),
    Case("proof/hash-missing", wrong, PROOF, "LOG-7: a path too short", swap(good, path[1] + "\n", "")),
    Case("proof/hash-extra", wrong, PROOF, "LOG-7: a path too long", swap(good, path[1], path[1] + "\n" + path[1])),
    Case(
        "proof/hashes-swapped",
        wrong,
        PROOF,
        "a path in another order",
        swap(good, f"{path[0]}\n{path[1]}", f"{path[1]}\n{path[0]}"),
    ),
    Case("proof/other-index", wrong, PROOF, "the path of another place", swap(good, "index 5\n", "index 4\n")),
    Case("proof/index-is-size", wrong, PROOF, "LOG-7: a place beyond the tree", swap(good, "index 5\n", "index 13\n")),
    Case("proof/other-head", wrong, PROOF, "a good head that does not hold the entry", proof_of(head=head_of_one)),
    Case(
        "proof/unsigned-head",
        "NOTE-UNSIGNED",
        PROOF,
        "a head signed by strangers",
        proof_of(head=note_of(TEXT, plain(TEXT, signer=OTHER), mldsa(signer=OTHER))),
    ),
    Case(
        "proof/half-signed-head",
        "CHECKPOINT-SIGNATURES",
        OURS,
        "a head with one of its two lines",
        proof_of(head=note_of(TEXT, plain(TEXT))),
    ),
)
