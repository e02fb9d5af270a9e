"""Cases of fork proofs (SPEC.md 3.8), signed with the log of c2sp.keys: two histories that share their first seven entries."""

from __future__ import annotations

from protocol import cbor, cosignature
from protocol.checkpoint import sign_head
from protocol.heads import ForkCase, ForkProof
from protocol.merkle import full_consistency
from protocol.pouch import Proven
from protocol.vkey import COSIGNATURE_MLDSA44
from tests.protocol.c2sp import KEYS, TIME, Tree
from tests.vectors.c2sp.signing import HEAD, LOG, OTHER, TREE, note_of, plain
from tests.vectors.formats.case import Case

SPEC = "SPEC.md 3.8"
_other = [*TREE.entries[:7], b"another entry", *TREE.entries[8:]]
A9, B9, B13, B16 = Tree(TREE.entries[:9]), Tree(_other[:9]), Tree(_other), Tree([*_other, b"x", b"y", b"z"])
A13 = TREE


def note(tree: Tree) -> bytes:
    return sign_head(tree.checkpoint(), TIME, LOG, KEYS)


def leaf(tree: Tree, index: int, entry: bytes | None = None) -> Proven:
    return Proven(tree.entries[index] if entry is None else entry, index, tree.path(index))


SIZES = ForkProof(ForkCase.SIZES, note(A13), note(B13))
PATH = ForkProof(ForkCase.PATH, note(A9), note(B13), tuple(full_consistency(9, 13, B13)))
POWER = ForkProof(ForkCase.PATH, note(Tree(TREE.entries[:8])), note(B16), tuple(full_consistency(8, 16, B16)))
LEAVES = ForkProof(ForkCase.LEAVES, note(A9), note(B13), (), (leaf(A9, 7), leaf(B13, 7)))
_one_line = note_of(A9.checkpoint().text(), plain(A9.checkpoint().text()))
_stranger = note_of(
    B13.checkpoint().text(),
    plain(B13.checkpoint().text(), signer=OTHER),
    cosignature.cosign(OTHER.vkey(KEYS.origin, COSIGNATURE_MLDSA44), B13.checkpoint(), TIME, OTHER.sign_mldsa44),
)


def _raw(case: str, path: cbor.Value = (), leaves: cbor.Value = (), label: str = "rogatory/fork/v1") -> bytes:
    return cbor.encode([label, case, note(A13), note(B13), path, leaves])


_row: cbor.Value = [b"x", 7, []]
_not_shown = {
    "one-size-one-root": ("the same head twice", ForkProof(ForkCase.SIZES, note(A13), note(A13))),
    "two-sizes": ("(a) needs one size", ForkProof(ForkCase.SIZES, note(A9), note(A13))),
    "honest-path": (
        "HEAD-4: a path that yields both roots",
        ForkProof(ForkCase.PATH, note(A9), note(A13), tuple(full_consistency(9, 13, A13))),
    ),
    "junk-path": ("HEAD-4: a path that yields neither", ForkProof(ForkCase.PATH, note(A9), note(B13), (b"j" * 32,) * len(PATH.path))),
    "path-too-short": ("a path that cannot fit", ForkProof(ForkCase.PATH, note(A9), note(B13), PATH.path[1:])),
    "path-backwards": ("(b) needs a greater size", ForkProof(ForkCase.PATH, note(B13), note(A9), PATH.path)),
    "one-leaf": ("the same leaf twice", ForkProof(ForkCase.LEAVES, note(A9), note(A13), (), (leaf(A9, 7), leaf(A13, 7)))),
    "two-indexes": ("two leaves at two indexes", ForkProof(ForkCase.LEAVES, note(A9), note(B13), (), (leaf(A9, 7), leaf(B13, 8)))),
}
_form = {
    "no-bytes": ("ENV-1", b""),
    "other-label": ("SIG-16", _raw("a", label="rogatory/envelope/v1")),
    "case-d": ("no such case", _raw("d")),
    "path-of-ints": ("a path of other things", _raw("b", [1])),
    "leaf-of-ints": ("leaves of other things", _raw("c", [], [[1, 7, []], _row])),
    "leaf-alone": ("one of two", _raw("c", [], [_row])),
    "leaves-three": ("three", _raw("c", [], [_row] * 3)),
    "leaves-for-a": ("case (a) has none", _raw("a", [], [_row, _row])),
    "path-for-a": ("case (a) has none", _raw("a", [b"h" * 32])),
    "trailing-byte": ("ENV-3", SIZES.encode() + b"\0"),
}

CASES = (
    Case("fork/one-size-two-roots", "ok", SPEC, "(a)", SIZES.encode()),
    Case("fork/path", "ok", SPEC, "(b)", PATH.encode()),
    Case("fork/path-from-a-power-of-two", "ok", SPEC, "(b): its first hash is always in it", POWER.encode()),
    Case("fork/leaves", "ok", SPEC, "(c)", LEAVES.encode()),
    *(Case(f"fork/{name}", "FORK-PROOF", SPEC, about, proof.encode()) for name, (about, proof) in _not_shown.items()),
    *(Case(f"fork/{name}", "FORK-PROOF", SPEC, about, data) for name, (about, data) in _form.items()),
    Case(
        "fork/leaf-not-there", "PROOF-INCLUSION", SPEC, "a leaf that its head does not hold",
        ForkProof(ForkCase.LEAVES, note(A9), note(B13), (), (leaf(A9, 7, b"made up"), leaf(B13, 7))).encode(),
    ),
    Case(
        "fork/one-signature", "CHECKPOINT-SIGNATURES", SPEC, "a head with one line accuses nobody",
        ForkProof(ForkCase.PATH, _one_line, note(B13), PATH.path).encode(),
    ),
    Case(
        "fork/signed-by-a-stranger", "NOTE-UNSIGNED", SPEC, "anybody can write two histories",
        ForkProof(ForkCase.SIZES, note(A13), _stranger).encode(),
    ),
)  # fmt: skip
assert HEAD
