"""One ``.tlog-proof`` file under a policy: that an entry stands in a log that the policy trusts, and what the entry says.

1  head    signed as the policy asks      2  path    the entry stands there      3  entry    it is one of ours
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from exchange.auditor.anchor import utc
from exchange.auditor.folder import read_file
from exchange.auditor.report import Docket, Report
from keys.suite import SUITE
from protocol import codes as refusals
from protocol import limits
from protocol.checkpoint import Checkpoint, parse_checkpoint
from protocol.entries import Entry, parse_entry
from protocol.errors import ProtocolError
from protocol.merkle import check_inclusion, leaf_hash
from protocol.note import parse_note
from protocol.policy import parse_policy
from protocol.proof import TlogProof, parse_proof

TITLES: Final = ("head", "path", "entry")
LIMIT: Final = limits.NOTE + 8 * limits.KiB


def verify_proof_file(path: Path, policy: bytes) -> Report:
    """Examine one proof file; ``policy``: a C2SP policy that the caller trusts. Raises nothing for what is in either."""
    docket = Docket()
    proof = docket.run(1, "head", "form", _parse, path)
    head = docket.run(1, "head", "", _head, proof, policy)
    raw = docket.run(2, "path", "", _path, proof, head)
    entry = docket.run(3, "entry", "", _entry, raw)
    if entry is not None and head is not None and proof is not None:
        kind = entry.kind.name.lower()
        docket.facts["entry"] = {"log": head.origin, "index": proof.index, "says": kind, "claimed_time": entry.time}
    return docket.report("proof", TITLES)


def _parse(path: Path) -> tuple[TlogProof, str]:
    proof = parse_proof(read_file(path, LIMIT))
    return proof, f"index {proof.index}, {len(proof.path)} hashes"


def _head(proof: TlogProof, policy: bytes) -> tuple[Checkpoint, str]:
    note = parse_note(proof.note)
    seen = parse_policy(policy).check(note, SUITE)
    head = parse_checkpoint(note.text)
    return head, f"size {head.size} of {head.origin}, signed by its log and by {', '.join(sorted(seen)) or 'no witness'}"


def _path(proof: TlogProof, head: Checkpoint) -> tuple[bytes, str]:
    if proof.extra is None:
        raise ProtocolError(refusals.PROOF_EXTRA, "there is no extra line")
    check_inclusion(leaf_hash(proof.extra), proof.index, head.size, proof.path, head.root)
    return proof.extra, f"the entry stands at index {proof.index}"


def _entry(raw: bytes) -> tuple[Entry, str]:
    entry = parse_entry(raw)
    return entry, f"{entry.kind.name.lower()}, claimed {utc(entry.time)}"
