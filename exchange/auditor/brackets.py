"""Between which times an entry was first shown, as witnesses have it; and whether the head that a receipt cites is one with the proof's.

<proof>.before    a witnessed head of the same log that does not hold the entry: the entry was not shown before it
<proof>.link      "old <size>" and the full consistency path from the head that a receipt cites to the head of the origin proof
"""

from __future__ import annotations

from typing import Any

from exchange.auditor import codes
from exchange.auditor.anchor import utc
from exchange.auditor.folder import Folder
from exchange.auditor.proofs import SignedHead, Statement, signed_head
from keys.directory.view import Directory
from protocol import codes as refusals
from protocol import grades, limits, merkle
from protocol.canonical import decimal, from_base64
from protocol.entries import Consigned, Refused
from protocol.errors import ProtocolError


def check_before(folder: Folder, name: str, directory: Directory, said: Statement) -> tuple[SignedHead, str]:
    """Check 12: the head in ``<name>.before`` is witnessed, of the same log, and does not hold the entry.

    Raises what a bad head raises, and BRACKET-HEAD.
    """
    earlier = signed_head(folder.read(f"{name}.before"), directory, said.signed.record.origin.authority)
    if earlier.record.origin != said.signed.record.origin or earlier.head.value.size > said.logged.index:
        raise ProtocolError(codes.BRACKET_HEAD, f"size {earlier.head.value.size} of {earlier.record.origin}")
    if not lower(earlier):
        raise ProtocolError(codes.BRACKET_HEAD, "it lacks the quorum of its witnesses")
    return earlier, f"size {earlier.head.value.size} of that log was witnessed without this entry"


def bracket(said: Statement, earlier: SignedHead | None) -> tuple[dict[str, Any], str]:
    """The bracket as facts (ms) and in words; a claim outside it is said to be so."""
    after, before = upper(said.signed), 0 if earlier is None else lower(earlier)
    facts: dict[str, Any] = {"not_after": after * limits.SECOND or None, "not_before": before * limits.SECOND or None}
    claimed = said.entry.time
    facts["claim_outside"] = grades.outside(claimed, before, after)
    words = [f"not shown before {utc(before * limits.SECOND)}"] if before else []
    words += [f"there by {utc(after * limits.SECOND)}"] if after else ["its witnesses say nothing of its time"]
    if facts["claim_outside"]:
        words.append(f"THE CLAIM OF {utc(claimed)} LIES OUTSIDE")
    return facts, "; ".join(words)


def check_link(folder: Folder, name: str, answered: Statement, submitted: Statement) -> str:
    """Check 11: the head that the answer cites is one that the origin proof's head begins with. Raises ANSWER-PLACE."""
    assert isinstance(answered.entry, Consigned | Refused)
    place, origin = answered.entry.place, submitted.logged
    try:
        first, *lines = folder.read(f"{name}.link").decode("ascii").removesuffix("\n").split("\n")
        old = decimal(first.removeprefix("old "), refusals.ANSWER_PLACE, "the older size")
        path = [from_base64(line, refusals.ANSWER_PLACE, "a line of the link") for line in lines]
        roots = merkle.roots_from_consistency(old, origin.size, path)
    except (UnicodeDecodeError, ProtocolError):
        raise ProtocolError(refusals.ANSWER_PLACE, "the link is no path") from None
    if old != place.size or roots != (place.root, origin.root):
        raise ProtocolError(refusals.ANSWER_PLACE, f"the head of size {place.size} is not one with the origin proof's")
    return f"the head of size {place.size} that it cites is one with the origin proof's"


def upper(signed: SignedHead) -> int:
    """By when (seconds) the quorum had seen this head; 0 without one."""
    return grades.not_after(signed.times, len(signed.record.witnesses), signed.record.quorum)


def lower(signed: SignedHead) -> int:
    """When (seconds) an honest witness still saw nothing greater; 0 without a quorum."""
    return grades.not_before(signed.times, len(signed.record.witnesses), signed.record.quorum)
