"""A bundle, examined: the numbered checks of docs/auditing.md in order, each with a verdict of its own.

     1  files          every file is the one that the manifest names
     2  trust          the directory follows from the trust root
     3  envelope       it parses, and belongs to this network
     4  origin head    the sender's log signed the head, with both keys
     5  origin path    the entry stands in that log
     6  origin entry   it submits this very envelope
     7  receipt        every recipient has answered
     8  receipt head   9  receipt path   10  receipt entry   11  receipt place      per recipient, as 4 to 6
    12  times          no entry is later than its head
    13  policies       the policy files say what the directory says
    14  disclosed      each disclosed part is the one that the envelope commits to
    15  body           body, envelope and attachments say the same

A check whose ground was refused is skipped, never passed.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Final

from exchange.auditor import brackets, codes, disclosed, proofs
from exchange.auditor.anchor import Trust, check_trust
from exchange.auditor.disclosed import Disclosed
from exchange.auditor.folder import Folder
from exchange.auditor.manifest import Listed, check_manifest
from exchange.auditor.policies import check_policies
from exchange.auditor.proofs import Statement
from exchange.auditor.report import Docket, Report, Verdict
from keys.directory.view import Directory
from protocol import codes as refusals
from protocol.entries import Refused
from protocol.envelope import SUITE_1, Envelope, parse_envelope
from protocol.errors import ProtocolError

TITLES: Final = (
    "files", "trust", "envelope", "origin head", "origin path", "origin entry", "receipt", "receipt head", "receipt path",
    "receipt entry", "receipt place", "times", "policies", "disclosed", "body",
)  # fmt: skip
ENVELOPE: Final = "envelope.cbor"
ORIGIN: Final = "origin.tlog-proof"
FIRST: Final = "receipt.tlog-proof"
_EARLIER: Final = re.compile(r"origin-([0-9]+)\.tlog-proof\Z")
_RECEIPT: Final = re.compile(r"receipt-(.+)\.tlog-proof\Z")


def verify_bundle(path: Path, trust_root: bytes | None, now_ms: int) -> Report:
    """Examine the bundle in this folder. ``trust_root``: the network's first root file, from elsewhere; ``now_ms``: the time.

    Raises nothing for what is in the folder: whatever the bytes, the report holds verdicts with stable codes.
    """
    docket = Docket()
    folder = docket.run(1, "files", "", _open, path)
    if folder is not None:
        listed = docket.run(1, "files", "manifest", check_manifest, folder)
        directory = _trust(docket, folder, Trust(trust_root, now_ms))
        envelope = docket.run(3, "envelope", "", check_envelope, folder, directory)
        submitted = _origins(docket, folder, directory, envelope)
        answers = _receipts(docket, folder, directory, envelope, submitted)
        _times(docket, envelope, submitted, answers)
        _policies(docket, folder, directory, submitted, answers)
        _disclosed(docket, folder, envelope, listed)
    return docket.report("bundle", TITLES)


def check_envelope(folder: Folder, directory: Directory) -> tuple[Envelope, str]:
    """Check 3. Raises ENVELOPE-*, CBOR-FORM, BIND-NETWORK, DIRECTORY-UNKNOWN-AUTHORITY."""
    e = parse_envelope(folder.read(ENVELOPE))
    if e.suite != SUITE_1 or e.network_id != directory.network_id:
        raise ProtocolError(refusals.BIND_NETWORK)
    for authority in (e.sender, *e.recipients):
        directory.member(authority)
    return e, f"message {e.message_id.hex()} from {e.sender} to {', '.join(e.recipients)}, {len(e.parts)} part(s)"


def check_receipt_files(folder: Folder, envelope: Envelope) -> tuple[frozenset[str], str]:
    """Check 7: who has answered. Raises RECEIPT-STRANGER, RECEIPT-FIRST."""
    there = {found[1] for name in folder.sizes if (found := _RECEIPT.match(name))}
    if there - set(envelope.recipients):
        raise ProtocolError(codes.RECEIPT_STRANGER, min(there - set(envelope.recipients)))
    first = f"receipt-{min(there)}.tlog-proof" if there else FIRST
    if (FIRST in folder.sizes) != bool(there) or (there and folder.read(FIRST) != folder.read(first)):
        raise ProtocolError(codes.RECEIPT_FIRST)
    return frozenset(there), f"{len(there)} of {len(envelope.recipients)} recipient(s) answered"


def _open(path: Path) -> tuple[Folder, str]:
    folder = Folder.open(path)
    return folder, f"{len(folder.sizes)} plain files within their limits"


def _trust(docket: Docket, folder: Folder, trust: Trust) -> Directory | None:
    directory = docket.run(2, "trust", "", check_trust, folder, trust)
    if directory is None:
        return None
    if trust.root is None:
        docket.checks.pop()
        says = f"consistent with itself only: no trust root of {directory.network} was given"
        docket.add(2, "trust", Verdict.NOT_ANCHORED, codes.UNANCHORED, says)
    docket.facts["network"] = {
        "name": directory.network,
        "id": directory.network_id.hex(),
        "kind": str(directory.kind),
        "directory_version": directory.version,
        "directory_expires": directory.expires,
    }
    return directory


def _origins(docket: Docket, folder: Folder, directory: Directory | None, envelope: Envelope | None) -> list[Statement] | None:
    """The proven submissions, that of origin.tlog-proof first; None when one of them is refused."""
    if envelope is not None:
        docket.facts["message"] = _message(envelope)
    sender = envelope.sender if envelope else None
    found = []
    for name in (ORIGIN, *sorted(name for name in folder.sizes if _EARLIER.match(name))):
        earlier = _EARLIER.match(name)
        about = f"log {earlier[1]}" if earlier else ""
        signed = docket.run(4, "origin head", about, proofs.check_head, folder, name, directory, sender)
        if earlier:
            signed = docket.run(4, "origin head", about, proofs.check_number, signed, int(earlier[1]))
        said = docket.run(5, "origin path", about, proofs.check_path, signed)
        submitted = docket.run(6, "origin entry", about, proofs.check_submitted, said, envelope)
        if submitted is not None and envelope is not None:
            times = None if earlier else _bracket(docket, folder, directory, "origin", envelope.sender, submitted)
            _fact(docket, envelope.sender, submitted, times)
        found.append(submitted)
    good = [said for said in found if said is not None]
    return good if len(good) == len(found) else None


def _receipts(
    docket: Docket, folder: Folder, directory: Directory | None, envelope: Envelope | None, submitted: list[Statement] | None
) -> dict[str, Statement]:
    """The proven answers by recipient."""
    there = docket.run(7, "receipt", "", check_receipt_files, folder, envelope)
    answers: dict[str, Statement] = {}
    if envelope is None or there is None:
        return answers
    for who in envelope.recipients:
        if who not in there:
            says = "has not answered, or had not when this bundle was made"
            docket.add(7, "receipt", Verdict.PENDING, codes.RECEIPT_PENDING, says, who)
            continue
        name = f"receipt-{who}.tlog-proof"
        signed = docket.run(8, "receipt head", who, proofs.check_head, folder, name, directory, who)
        said = docket.run(9, "receipt path", who, proofs.check_path, signed)
        answered = docket.run(10, "receipt entry", who, proofs.check_answer, said, envelope)
        name = f"receipt-{who}"
        link = partial(brackets.check_link, folder, name) if f"{name}.link" in folder.sizes else None
        placed = docket.run(11, "receipt place", who, partial(proofs.check_place, link=link), answered, submitted)
        if placed is not None:
            answers[who] = placed
            _fact(docket, who, placed, _bracket(docket, folder, directory, name, who, placed))
    return answers


def _bracket(
    docket: Docket, folder: Folder, directory: Directory | None, name: str, who: str, said: Statement
) -> dict[str, object] | None:
    """Check 12 as far as witnesses go: the bracket's facts; None when its lower end was refused."""
    before = None
    if f"{name}.before" in folder.sizes:
        before = docket.run(12, "times", who, brackets.check_before, folder, name, directory, said)
        if before is None:
            return None
    return docket.run(12, "times", who, brackets.bracket, said, before) if before is not None else _upper(docket, who, said)


def _upper(docket: Docket, who: str, said: Statement) -> dict[str, object]:
    facts, says = brackets.bracket(said, None)
    docket.add(12, "times", Verdict.PROVEN, codes.PROVEN, says, who)
    return facts


def _times(docket: Docket, envelope: Envelope | None, submitted: list[Statement] | None, answers: dict[str, Statement]) -> None:
    sender = envelope.sender if envelope else ""
    for submission in submitted if submitted is not None else [None]:
        docket.run(12, "times", sender, proofs.check_created, submission, envelope)
    for who, said in answers.items():
        docket.run(12, "times", who, proofs.check_answered, said, submitted)


def _policies(
    docket: Docket,
    folder: Folder,
    directory: Directory | None,
    submitted: list[Statement] | None,
    answers: dict[str, Statement],
) -> None:
    """Only when all proofs hold: a policy for a proof that was refused would be called superfluous."""
    gone = (Verdict.REFUTED, Verdict.SKIPPED)
    refused = any(check.number in range(7, 12) and check.verdict in gone for check in docket.checks)
    signed = [said.signed for said in (*submitted, *answers.values())] if submitted and not refused else None
    docket.run(13, "policies", "", check_policies, folder, directory, signed)


def _disclosed(docket: Docket, folder: Folder, envelope: Envelope | None, listed: dict[str, Listed] | None) -> None:
    found: dict[int, Disclosed] = {}
    for part in disclosed.disclosed_parts(folder):
        shown = docket.run(14, "disclosed", f"part {part}", disclosed.check_disclosed, folder, part, envelope, listed)
        if shown is not None:
            found[part] = shown
    body = found.pop(0, None)
    if body is None:
        for part, shown in found.items():
            docket.run(15, "body", f"part {part}", disclosed.check_unnamed, shown)
        return
    letter = docket.run(15, "body", "", disclosed.check_letter, folder, body, envelope)
    for part, shown in found.items():
        docket.run(15, "body", f"part {part}", disclosed.check_attachment, shown, letter)


def _message(envelope: Envelope) -> dict[str, object]:
    return {
        "id": envelope.message_id.hex(),
        "envelope_sha256": envelope.hash.hex(),
        "sender": envelope.sender,
        "recipients": list(envelope.recipients),
        "lane": envelope.lane.name.lower(),
        "created": envelope.created,
        "expires": envelope.expires,
        "parts": len(envelope.parts),
    }


def _fact(docket: Docket, who: str, said: Statement, times: dict[str, object] | None = None) -> None:
    """One proven statement, for the report. ``times``: its bracket."""
    fact: dict[str, object] = {
        "authority": who,
        "says": said.entry.kind.name.lower(),
        "log": said.logged.origin,
        "index": said.logged.index,
        "size": said.logged.size,
        "claimed_time": said.entry.time,
        "grade": str(said.signed.grade),
        "witnesses": list(said.signed.witnesses),
        **(times or {}),
    }
    if isinstance(said.entry, Refused):
        fact["reason"] = said.entry.reason
    docket.facts.setdefault("proofs", []).append(fact)
