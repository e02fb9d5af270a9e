"""A bundle, examined: the numbered checks of docs/auditing.md in order, each with a verdict of its own.

     1  files          every file is the one that the manifest names
     2  trust          the directory follows from the trust root
     3  envelope       it parses, and belongs to this network
     4  origin head    the sender's log signed the head, with both keys
     5  origin path    the entry stands in that log
     6  origin entry   it submits this very envelope
     7  receipts       every recipient has answered
     8  receipt head   9  receipt path   10  receipt entry   11  receipt place      per recipient, as 4 to 6
    12  times          no entry is later than its head
    13  policies       the policy files say what the directory says
    14  disclosed      each disclosed part is the one that the envelope commits to
    15  body           body, envelope and attachments say the same
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from exchange.auditor import codes, disclosed, proofs
from exchange.auditor.anchor import directory_of
from exchange.auditor.folder import Folder
from exchange.auditor.manifest import Listed, check_manifest
from exchange.auditor.policies import check_policies
from exchange.auditor.proofs import SignedHead, Statement
from exchange.auditor.report import Docket, Report, Verdict
from keys.directory.view import Directory
from protocol import codes as refusals
from protocol.entries import Consigned, Refused
from protocol.envelope import SUITE_1, Envelope, parse_envelope
from protocol.errors import ProtocolError

ORIGIN = "origin.tlog-proof"


def verify_bundle(path: Path, trust_root: bytes | None, now_ms: int) -> Report:
    """Examine the bundle in this folder. ``trust_root``: the network's first root file, from elsewhere; ``now_ms`` dates the directory.

    Never raises for what is in the folder: whatever the bytes, the report holds a verdict with a stable code.
    """
    return _Examination(path, trust_root, now_ms).report()


class _Examination:
    """One pass. A check that refuses leaves its result None; the checks that need it are then skipped."""

    def __init__(self, path: Path, trust_root: bytes | None, now_ms: int) -> None:
        self.docket = Docket()
        self.path = path
        self.trust_root = trust_root
        self.now = now_ms

    def report(self) -> Report:
        folder = self.docket.run(1, "files", self._open)
        if folder is not None:
            listed = self.docket.run(1, "manifest", lambda: self._manifest(folder))
            self._examine(folder, listed or {})
        return self.docket.report("bundle")

    def _open(self) -> tuple[Folder, str]:
        folder = Folder.open(self.path)
        return folder, f"{len(folder.sizes)} plain files within their limits"

    def _manifest(self, folder: Folder) -> tuple[dict[str, Listed], str]:
        listed = check_manifest(folder)
        return listed, f"{len(listed)} files are those that the manifest names"

    def _examine(self, folder: Folder, listed: dict[str, Listed]) -> None:
        directory = self.docket.run(2, "trust", lambda: self._trust(folder))
        if directory is not None and self.trust_root is None:
            self._unanchored(directory)
        envelope = self.docket.run(3, "envelope", lambda: self._envelope(folder, directory))
        submitted = self._origin(folder, directory, envelope)
        answers = self._receipts(folder, directory, envelope, submitted)
        self._times(envelope, submitted, answers)
        self._policies(folder, directory, submitted, answers)
        self._disclosed(folder, envelope, listed)

    def _trust(self, folder: Folder) -> tuple[Directory, str]:
        directory = directory_of(folder, self.trust_root)
        late = f"; it was good until {_iso(directory.expires)}, later changes are not shown" if self.now >= directory.expires else ""
        self.docket.facts["network"] = {
            "name": directory.network,
            "id": directory.network_id.hex(),
            "kind": str(directory.kind),
            "directory_version": directory.version,
            "directory_expires": directory.expires,
        }
        return directory, f"{directory.kind} network {directory.network}, directory version {directory.version}{late}"

    def _unanchored(self, directory: Directory) -> None:
        says = f"consistent with itself only: no trust root of {directory.network} was given"
        self.docket.add(2, "trust", Verdict.NOT_ANCHORED, codes.UNANCHORED, says)

    def _envelope(self, folder: Folder, directory: Directory | None) -> tuple[Envelope, str]:
        e = parse_envelope(folder.read("envelope.cbor"))
        if e.suite != SUITE_1 or (directory is not None and e.network_id != directory.network_id):
            raise ProtocolError(refusals.BIND_NETWORK)
        self.docket.facts["message"] = {
            "id": e.message_id.hex(),
            "envelope_sha256": e.hash.hex(),
            "sender": e.sender,
            "recipients": list(e.recipients),
            "lane": e.lane.name.lower(),
            "created": e.created,
            "expires": e.expires,
            "parts": len(e.parts),
        }
        return e, f"message {e.message_id.hex()} from {e.sender} to {', '.join(e.recipients)}, {len(e.parts)} parts"

    def _origin(self, folder: Folder, directory: Directory | None, envelope: Envelope | None) -> Statement | None:
        run = self.docket.run
        if directory is None or envelope is None:
            for number, name in ((4, "origin head"), (5, "origin path"), (6, "origin entry")):
                self.docket.skip(number, name, "checks 2 and 3")
            return None
        signed = run(4, "origin head", lambda: _head(folder, ORIGIN, directory, envelope.sender))
        if signed is None:
            self.docket.skip(5, "origin path", "check 4")
            self.docket.skip(6, "origin entry", "check 4")
            return None
        said = run(5, "origin path", lambda: _path(signed))
        if said is None:
            self.docket.skip(6, "origin entry", "check 5")
            return None
        if run(6, "origin entry", lambda: _submitted(said, envelope)) is None:
            return None
        self._fact(envelope.sender, "submitted", said)
        return said

    def _receipts(
        self, folder: Folder, directory: Directory | None, envelope: Envelope | None, submitted: Statement | None
    ) -> dict[str, Statement]:
        if directory is None or envelope is None:
            for number, name in ((7, "receipts"), (8, "receipt head"), (9, "receipt path"), (10, "receipt entry")):
                self.docket.skip(number, name, "checks 2 and 3")
            return {}
        there = self.docket.run(7, "receipts", lambda: _receipt_files(folder, envelope))
        answers = {}
        for recipient in envelope.recipients:
            if there is None or recipient not in there:
                says = f"{recipient} has not answered, or the bundle was made before it did"
                if there is not None:
                    self.docket.add(7, "receipt", Verdict.PENDING, codes.RECEIPT_PENDING, says, recipient)
                continue
            said = self._receipt(folder, directory, envelope, recipient, submitted)
            if said is not None:
                answers[recipient] = said
        return answers

    def _receipt(
        self, folder: Folder, directory: Directory, envelope: Envelope, recipient: str, submitted: Statement | None
    ) -> Statement | None:
        run, who = self.docket.run, recipient
        signed = run(8, "receipt head", lambda: _head(folder, f"receipt-{who}.tlog-proof", directory, who), who)
        said = run(9, "receipt path", lambda: _path(signed), who) if signed else None
        answer = run(10, "receipt entry", lambda: _answer(said, envelope), who) if said else None
        if said is None or answer is None or submitted is None:
            for number, name, found in ((9, "receipt path", signed), (10, "receipt entry", said)):
                if found is None:
                    self.docket.skip(number, name, f"check {number - 1}", who)
            self.docket.skip(11, "receipt place", "checks 6 and 10", who)
            return None
        if run(11, "receipt place", lambda: (True, proofs.check_place(answer, submitted)), who) is None:
            return None
        self._fact(who, type(answer).__name__.lower(), said)
        return said

    def _times(self, envelope: Envelope | None, submitted: Statement | None, answers: dict[str, Statement]) -> None:
        if envelope is None or submitted is None:
            self.docket.skip(12, "times", "check 6")
            return
        created, logged = envelope.created, submitted.entry.time
        self.docket.run(12, "times", lambda: (True, _origin_times(submitted, created)), envelope.sender)
        for who, said in answers.items():
            check = _receipt_times(said, logged)
            self.docket.run(12, "times", check, who)

    def _policies(
        self, folder: Folder, directory: Directory | None, submitted: Statement | None, answers: dict[str, Statement]
    ) -> None:
        if directory is None or submitted is None:
            self.docket.skip(13, "policies", "checks 2 and 6")
            return
        signed = [submitted.signed, *(said.signed for said in answers.values())]
        self.docket.run(13, "policies", lambda: (True, check_policies(folder, directory, signed)))

    def _disclosed(self, folder: Folder, envelope: Envelope | None, listed: dict[str, Listed]) -> None:
        found = {}
        for part in disclosed.disclosed_parts(folder):
            if envelope is None:
                self.docket.skip(14, "disclosed", "check 3", f"part {part}")
                continue
            check = _disclosed(folder, part, envelope, listed)
            result = self.docket.run(14, "disclosed", check, f"part {part}")
            if result is not None:
                found[part] = result
        if envelope is None or not found:
            return
        body = found.pop(0, None)
        if body is None:
            named = [part for part, result in found.items() if result.original is not None]
            if named:
                says = f"{codes.DISCLOSED_BODY.says} (a name that no disclosed body vouches for)"
                self.docket.add(15, "body", Verdict.REFUTED, codes.DISCLOSED_BODY.code, says, f"part {named[0]}")
            return
        letter = self.docket.run(15, "body", lambda: _letter(folder, body, envelope))
        for part, result in found.items():
            if letter is None:
                self.docket.skip(15, "body", "the body", f"part {part}")
            else:
                self.docket.run(15, "body", _attachment(result, letter), f"part {part}")

    def _fact(self, who: str, says: str, said: Statement) -> None:
        logged, signed = said.logged, said.signed
        fact = {
            "authority": who,
            "says": says,
            "log": logged.origin,
            "index": logged.index,
            "size": logged.size,
            "claimed_time": said.entry.time,
            "grade": str(signed.grade),
            "witnesses": list(signed.witnesses),
        }
        if isinstance(said.entry, Refused):
            fact["reason"] = said.entry.reason
        self.docket.facts.setdefault("proofs", []).append(fact)
