"""C2SP tlog-proof: one file that shows offline that an entry stands in a log.

    c2sp.org/tlog-proof@v1
    extra <base64 of the entry's bytes>
    index 73894
    gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=
    ...one hash per line, from the leaf's sibling upwards

    <the head, as in checkpoint.py>

The specification calls ``extra`` unauthenticated. Here it carries the entry, and the verifier hashes what it carries: whoever
alters it breaks the proof (RCP-4). Parsing checks the form only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from protocol import codes, limits
from protocol.canonical import MAX_NUMBER, decimal, from_base64, to_base64
from protocol.checkpoint import Head, LogKeys, verify_head
from protocol.errors import ProtocolError
from protocol.merkle import HASH, check_inclusion, leaf_hash
from protocol.ports import Verifier
from protocol.verified import Verified, vouch

FIRST_LINE: Final = "c2sp.org/tlog-proof@v1"

_EXTRA: Final = "extra "
_INDEX: Final = "index "


@dataclass(frozen=True, slots=True)
class TlogProof:
    """A proof as it stands in its file. ``note`` is the head's bytes; nothing in it has been checked. Raises PROOF-FORM."""

    extra: bytes | None
    index: int
    path: tuple[bytes, ...]
    note: bytes

    def __post_init__(self) -> None:
        if self.extra is not None and not 1 <= len(self.extra) <= limits.ENTRY:
            raise ProtocolError(codes.PROOF_FORM, f"extra carries {len(self.extra)} bytes, not an entry")
        if len(self.path) > limits.PROOF_LINES or any(len(h) != HASH for h in self.path):
            raise ProtocolError(codes.PROOF_FORM, f"a path of {len(self.path)} lines")
        if not 0 <= self.index <= MAX_NUMBER or not 0 < len(self.note) <= limits.NOTE:
            raise ProtocolError(codes.PROOF_FORM, f"index {self.index}, a head of {len(self.note)} bytes")


@dataclass(frozen=True, slots=True)
class LoggedEntry:
    """An entry and the head it was proven under: log, place, bytes; the head's size, root and time in SECONDS."""

    origin: str
    index: int
    size: int
    root: bytes
    entry: bytes
    time: int


def parse_proof(data: bytes) -> TlogProof:
    """Parse a ``.tlog-proof`` file. Raises PROOF-FORM; ``format_proof(parse_proof(b)) == b``."""
    head, _, note = data.partition(b"\n\n")
    try:
        lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise ProtocolError(codes.PROOF_FORM, "a character outside ASCII before the head") from None
    if lines.pop(0) != FIRST_LINE:
        raise ProtocolError(codes.PROOF_FORM, f"the first line is not {FIRST_LINE}")
    extra = None
    if lines and lines[0].startswith(_EXTRA):
        extra = from_base64(lines.pop(0).removeprefix(_EXTRA), codes.PROOF_FORM, "extra")
    if not lines or not lines[0].startswith(_INDEX):
        raise ProtocolError(codes.PROOF_FORM, "no index line")
    index = decimal(lines.pop(0).removeprefix(_INDEX), codes.PROOF_FORM, "the index")
    path = tuple(from_base64(line, codes.PROOF_FORM, "a line of the path") for line in lines)
    return TlogProof(extra, index, path, note)


def format_proof(proof: TlogProof) -> bytes:
    """The bytes of the file."""
    lines = [FIRST_LINE]
    if proof.extra is not None:
        lines.append(_EXTRA + to_base64(proof.extra))
    lines.append(f"{_INDEX}{proof.index}")
    lines += [to_base64(h) for h in proof.path]
    return "\n".join(lines).encode() + b"\n\n" + proof.note


def verify_logged(entry: bytes, index: int, path: Sequence[bytes], head: Verified[Head]) -> Verified[LoggedEntry]:
    """Check that an entry stands at ``index`` under a verified head: for many entries under one. Raises PROOF-INCLUSION."""
    found = head.value
    check_inclusion(leaf_hash(entry), index, found.size, path, found.root)
    return vouch(LoggedEntry(found.origin, index, found.size, found.root, entry, found.time))


def verify_proof(proof: TlogProof, entry: bytes, keys: LogKeys, verifier: Verifier) -> Verified[LoggedEntry]:
    """Check that the proof is of this entry under a head of this log.

    Raises PROOF-EXTRA when ``extra`` carries another entry, what ``verify_head`` raises, and PROOF-INCLUSION.
    """
    if proof.extra is not None and proof.extra != entry:
        raise ProtocolError(codes.PROOF_EXTRA, "extra carries other bytes than the entry at hand")
    return verify_logged(entry, proof.index, proof.path, verify_head(proof.note, keys, verifier))


def verify_entry_proof(proof: TlogProof, keys: LogKeys, verifier: Verifier) -> Verified[LoggedEntry]:
    """Check the entry that the proof itself carries (RCP-4). Raises as ``verify_proof``; PROOF-EXTRA when it carries none."""
    if proof.extra is None:
        raise ProtocolError(codes.PROOF_EXTRA, "there is no extra line")
    return verify_proof(proof, proof.extra, keys, verifier)
