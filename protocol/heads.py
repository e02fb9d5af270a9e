"""The head rule: what a head of another log means beside what we have confirmed of it. One rule for pouches, answers, witnesses.

    first     nothing confirmed yet          take it, unwitnessed
    known     among the confirmed            go on
    behind    smaller, linked to a confirmed go on, do not cosign
    ahead     linked from the greatest       advance, then cosign
    unlinked  the proof starts elsewhere     409 and our greatest size: an everyday case, nobody is accused
    broken    the proof starts rightly and fails   422
    forked    two histories, provably        kept, logged, told; nothing more is taken from that origin

(SPEC.md section 3.8.) ``judge_head`` is pure; the caller stores the new record before it answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from protocol import cbor, checkpoint, codes, limits, merkle
from protocol.checkpoint import Head, LogKeys
from protocol.entries import TreeHead
from protocol.errors import Code, ProtocolError
from protocol.ports import Verifier
from protocol.pouch import Path, Proven, parse_path, parse_proven


class Relation(StrEnum):
    """How a head that may be used lies to the confirmed ones."""

    FIRST = "first"
    KNOWN = "known"
    BEHIND = "behind"
    AHEAD = "ahead"


@dataclass(frozen=True, slots=True)
class HeadRecord:
    """The greatest confirmed head of one origin, note as received, and the last 64 confirmed (size, root), ascending."""

    greatest: Head
    confirmed: tuple[TreeHead, ...]

    @classmethod
    def start(cls, head: Head) -> HeadRecord:
        """A record that begins with this head."""
        return cls(head, (TreeHead(head.size, head.root),))

    def advanced(self, head: Head) -> HeadRecord:
        """The record after a greater head was confirmed."""
        return HeadRecord(head, (*self.confirmed, TreeHead(head.size, head.root))[-limits.CONFIRMED_HEADS :])


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a head is, and the record as it stands after it."""

    relation: Relation
    record: HeadRecord


class HeadError(ProtocolError):
    """A head that may not be used. ``greatest``: the size to link from; ``fork``: the proof, when two histories are shown."""

    def __init__(self, code: Code, detail: str, *, greatest: int, fork: ForkProof | None = None) -> None:
        super().__init__(code, detail)
        self.greatest = greatest
        self.fork = fork


class ForkCase(StrEnum):
    """The three ways to show two histories of one log to a stranger."""

    SIZES = "a"  # one size and two roots
    PATH = "b"  # a path that yields the newer signed root but not the older
    LEAVES = "c"  # two leaves proven at one index


@dataclass(frozen=True, slots=True)
class ForkProof:
    """Two signed notes of one origin, and for (b) the consistency path, for (c) the two proven leaves."""

    case: ForkCase
    older: bytes
    newer: bytes
    path: Path = ()
    leaves: tuple[Proven, Proven] | None = None

    def encode(self) -> bytes:
        """The proof's bytes; their SHA-256 is what a ``forked`` entry names."""
        leaves: list[cbor.Value] = [[leaf.entry, leaf.index, leaf.path] for leaf in self.leaves or ()]
        return cbor.encode(["rogatory/fork/v1", self.case.value, self.older, self.newer, self.path, leaves])


def judge_head(record: HeadRecord | None, head: Head, old_size: int, proof: Path) -> Judgement:
    """What ``head`` is beside ``record``, given a consistency proof from ``old_size``.

    Raises HeadError: HEAD-UNLINKED, HEAD-BROKEN or HEAD-FORKED. (Check 4; check A2)
    """
    if record is None:
        if old_size != 0 or proof:
            raise HeadError(codes.HEAD_UNLINKED, "first contact starts at 0", greatest=0)
        return Judgement(Relation.FIRST, HeadRecord.start(head))
    greatest = record.greatest
    roots = {known.size: known.root for known in record.confirmed}
    if roots.get(head.size) == head.root:
        return Judgement(Relation.KNOWN, record)
    if head.size == greatest.size:
        fork = ForkProof(ForkCase.SIZES, greatest.note, head.note)
        raise HeadError(codes.HEAD_FORKED, f"two roots at size {head.size}", greatest=greatest.size, fork=fork)
    if head.size < greatest.size:
        return _behind(record, roots, head, old_size, proof)
    if old_size != greatest.size:
        raise HeadError(codes.HEAD_UNLINKED, f"link it from size {greatest.size}", greatest=greatest.size)
    _link(greatest, head, proof)
    return Judgement(Relation.AHEAD, record.advanced(head))


def _behind(record: HeadRecord, roots: dict[int, bytes], head: Head, later: int, proof: Path) -> Judgement:
    greatest = record.greatest.size
    if head.size in roots:
        raise HeadError(codes.HEAD_BROKEN, f"another root at size {head.size}", greatest=greatest)
    if later < head.size or later not in roots:
        raise HeadError(codes.HEAD_UNLINKED, f"link it to size {greatest}", greatest=greatest)
    try:
        merkle.check_consistency(head.size, later, list(proof), head.root, roots[later])
    except ProtocolError:
        raise HeadError(codes.HEAD_BROKEN, f"from {head.size} to {later}", greatest=greatest) from None
    return Judgement(Relation.BEHIND, record)


def _link(older: Head, newer: Head, proof: Path) -> None:
    try:
        merkle.check_consistency(older.size, newer.size, list(proof), older.root, newer.root)
    except ProtocolError:
        fork = ForkProof(ForkCase.PATH, older.note, newer.note, proof)
        if _shows_path(older, newer, proof):
            detail = f"sizes {older.size} and {newer.size}"
            raise HeadError(codes.HEAD_FORKED, detail, greatest=older.size, fork=fork) from None
        detail = f"from {older.size} to {newer.size}"
        raise HeadError(codes.HEAD_BROKEN, detail, greatest=older.size) from None


def _shows_path(older: Head, newer: Head, proof: Path) -> bool:
    """Whether the path rebuilds the newer root and another older one: its nodes are then the newer tree's own."""
    try:
        old_root, new_root = merkle.roots_from_consistency(older.size, newer.size, list(proof))
    except ProtocolError:
        return False
    return new_root == newer.root and old_root != older.root


def parse_fork_proof(raw: bytes) -> ForkProof:
    """A fork proof from its bytes, still unverified. Raises FORK-PROOF."""
    try:
        match cbor.decode(raw):
            case ["rogatory/fork/v1", str(case), bytes(older), bytes(newer), list(path), list(rows)] if case in ("a", "b", "c"):
                nodes, leaves = parse_path(path), [parse_proven(row) for row in rows]
                if len(leaves) == (2 if case == "c" else 0) and (case == "b" or not nodes):
                    return ForkProof(ForkCase(case), older, newer, nodes, (leaves[0], leaves[1]) if leaves else None)
            case _:
                pass
    except ProtocolError:
        pass
    raise ProtocolError(codes.FORK_PROOF, "form")


def verify_fork_proof(proof: ForkProof, keys: LogKeys, verifier: Verifier) -> None:
    """Check, as a stranger, that this log signed two histories. Raises FORK-PROOF, or what a bad note raises."""
    older = checkpoint.verify_head(proof.older, keys, verifier).value
    newer = checkpoint.verify_head(proof.newer, keys, verifier).value
    shown = False
    if proof.case is ForkCase.SIZES:
        shown = older.size == newer.size and older.root != newer.root
    elif proof.case is ForkCase.PATH:
        shown = older.size < newer.size and _shows_path(older, newer, proof.path)
    elif proof.leaves is not None:
        first, second = proof.leaves
        merkle.check_inclusion(merkle.leaf_hash(first.entry), first.index, older.size, list(first.path), older.root)
        merkle.check_inclusion(merkle.leaf_hash(second.entry), second.index, newer.size, list(second.path), newer.root)
        shown = first.index == second.index and first.entry != second.entry
    if not shown:
        raise ProtocolError(codes.FORK_PROOF, f"case {proof.case.value}")
