"""The messages of a whole log: every envelope beside our entry about it, and what the other side's log says, in one pass.

    envelope     it parses, its hash and fields are those of our entry
    head         of the other side: both signatures, each head once
    path, entry  the other side's entry stands in its log, and answers or submits this envelope
    place        what each side cites of the other is what is shown here: index, size and root; our own heads by rebuilding them

Memory holds what is on its way: receipts until our ``receipted`` entry, cited heads of ours until the log has grown to them.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Final, TypeAlias

from exchange.auditor import codes, proofs
from keys.directory.view import Directory
from protocol import codes as refusals
from protocol import limits
from protocol.checkpoint import Head
from protocol.dossier import MESSAGES, Cited, Row, Shown
from protocol.entries import Consigned, Entry, Place, Receipted, Refused, Submitted, parse_entry
from protocol.envelope import SUITE_1, Envelope, parse_envelope
from protocol.errors import ProtocolError
from protocol.merkle import Frontier
from protocol.names import Origin
from protocol.proof import verify_logged
from protocol.verified import Verified

_HEADS: Final = 1024  # verified heads remembered from one file to the next

Files: TypeAlias = Callable[[int], Iterator[Row] | None]
"""The rows of a numbered file of messages, None when there is no such file. Raises ProtocolError while it is read."""


@dataclass(slots=True)
class Counted:
    """How much was examined."""

    messages: int = 0
    submitted: int = 0  # entries of the log about messages, shown or not
    answered: int = 0
    proofs: int = 0
    heads: int = 0  # of other logs: two signatures each
    own_heads: int = 0  # heads of this log that the other side cites
    files: int = 0


class Correspondence:
    """Examines the messages of the log ``origin`` while its entries are read. ``wrong``: what is not as it must be."""

    def __init__(self, origin: Origin, directory: Directory, files: Files) -> None:
        self.counted = Counted()
        self.wrong: list[str] = []
        self._origin = origin
        self._directory = directory
        self._files = files
        self._known: OrderedDict[bytes, Verified[Head]] = OrderedDict()
        self._notes: list[Verified[Head] | None] = []
        self._cited = 0
        self._expected: dict[tuple[bytes, str], tuple[Place, bytes]] = {}
        self._due: dict[int, set[bytes]] = {}  # size -> roots that were cited
        self._at = -1
        self._rows = self._messages()
        self._next = next(self._rows, None)

    # -- what the log's reader tells ---------------------------------------------------------------------------------------------

    def see(self, index: int, entry: Entry) -> None:
        """An entry of the log, in order."""
        if isinstance(entry, Submitted):
            self.counted.submitted += 1
        elif isinstance(entry, Consigned | Refused):
            self.counted.answered += 1
        elif isinstance(entry, Receipted):
            self._receipted(index, entry)
            return
        while self._next is not None and self._next.index <= index:
            self._judge(self._next, entry if self._next.index == index else None)
            self._next = next(self._rows, None)  # not before: a file's end counts what was cited in it

    def end_tile(self, before: Frontier, leaves: Sequence[bytes]) -> None:
        """A tile of the log: heads of ours that were cited and lie in it are rebuilt."""
        end = before.size + len(leaves)
        sizes = sorted(size for size in self._due if size <= end)
        at = 0
        for size in sizes:
            while before.size < size:
                before.append(leaves[at])
                at += 1
            self.counted.own_heads += 1
            if {before.root()} != self._due.pop(size):
                self.wrong.append(f"{refusals.ANSWER_PLACE}: another root at size {size} of this log is cited")

    def end(self) -> None:
        """The log has ended: nothing may be left over."""
        if self._next is not None:
            self.wrong.append(f"{refusals.DOSSIER_FORM}: a message at index {self._next.index}, beyond the log")
        for envelope_hash, who in self._expected:
            self.wrong.append(f"{codes.LOG_RULE}: no `receipted` for {who} and {envelope_hash.hex()}")
        for size in self._due:
            self.wrong.append(f"{refusals.ANSWER_PLACE}: a head of size {size} of this log is cited, beyond its end")

    def says(self) -> str:
        """What was found good."""
        c = self.counted
        return (
            f"{c.messages} messages of {c.submitted} submitted and {c.answered} answered, {c.proofs} proofs under {c.heads} heads,"
            f" {c.own_heads} of our heads cited"
        )

    def facts(self) -> dict[str, int]:
        """The counters, by name."""
        return asdict(self.counted)

    # -- files -------------------------------------------------------------------------------------------------------------------

    def _messages(self) -> Iterator[Shown]:
        """All messages, file by file; what cannot be read is written down."""
        while True:
            try:
                rows = self._files(self.counted.files)
                if rows is None:
                    return
                yield from self._of_file(rows)
            except ProtocolError as error:
                self.wrong.append(f"messages {self.counted.files}: {_short(error)}")
            self.counted.files += 1

    def _of_file(self, rows: Iterator[Row]) -> Iterator[Shown]:
        self._notes, self._cited, messages = [], 0, 0
        for row in rows:
            if isinstance(row, Shown):
                messages += 1
                yield row
            else:
                self._notes.append(self._head(row))
        if self._cited != len(self._notes) or not 0 < messages <= MESSAGES:
            raise ProtocolError(refusals.DOSSIER_FORM, f"{messages} messages, {len(self._notes)} heads, {self._cited} cited")

    def _head(self, note: bytes) -> Verified[Head] | None:
        """A head of another log, both signatures checked; once while it is remembered."""
        head = self._known.get(note)
        if head is None:
            try:
                head = proofs.judge_head(note, self._directory)[1]
            except ProtocolError as error:
                self.wrong.append(f"messages {self.counted.files}, head {len(self._notes)}: {_short(error)}")
                return None
            self.counted.heads += 1
            self._known[note] = head
            if len(self._known) > _HEADS:
                self._known.popitem(last=False)
        return head

    # -- one message ---------------------------------------------------------------------------------------------------------------

    def _judge(self, shown: Shown, entry: Entry | None) -> None:
        self.counted.messages += 1
        try:
            if shown.index <= self._at or entry is None:
                raise ProtocolError(refusals.DOSSIER_FORM, "out of order, or no entry about a message")
            self._at = shown.index
            envelope = parse_envelope(shown.envelope)
            if envelope.suite != SUITE_1 or envelope.network_id != self._directory.network_id:
                raise ProtocolError(refusals.BIND_NETWORK)
            if isinstance(entry, Submitted):
                self._sent(shown, envelope, entry)
            else:
                self._came(shown, envelope, entry)
        except ProtocolError as error:
            self.wrong.append(f"message at index {shown.index}: {_short(error)}")

    def _sent(self, shown: Shown, envelope: Envelope, entry: Submitted) -> None:
        proofs.submits(entry, envelope)
        if envelope.sender != self._origin.authority:
            raise ProtocolError(refusals.BIND_SENDER)
        if envelope.created > entry.time:
            raise ProtocolError(refusals.BIND_CREATED)
        before = ""
        for cited in shown.proofs:
            head, who, said = self._logged(cited)
            if who not in envelope.recipients or who <= before:
                raise ProtocolError(codes.RECEIPT_STRANGER, who)
            before = who
            answer = proofs.answers(said, envelope)
            if answer.place.n == self._origin.n:  # else it answers the submission in an earlier log, which has an export of its own
                if answer.place.index != shown.index:
                    raise ProtocolError(refusals.ANSWER_PLACE, f"index {answer.place.index}")
                self._due.setdefault(answer.place.size, set()).add(answer.place.root)
            place = Place(Origin.parse(head.origin).n, cited.index, head.size, head.root)
            self._expected[envelope.hash, who] = place, hashlib.sha256(cited.entry).digest()

    def _came(self, shown: Shown, envelope: Envelope, entry: Entry) -> None:
        answer = proofs.answers(entry, envelope)
        if self._origin.authority not in envelope.recipients:
            raise ProtocolError(refusals.NOT_RECIPIENT)
        if len(shown.proofs) != 1:
            raise ProtocolError(refusals.DOSSIER_FORM, f"{len(shown.proofs)} proofs of one submission")
        cited = shown.proofs[0]
        head, who, said = self._logged(cited)
        if who != envelope.sender:
            raise ProtocolError(codes.PROOF_SPEAKER, f"{who}, not {envelope.sender}")
        proofs.submits(said, envelope)
        if envelope.created > said.time:
            raise ProtocolError(refusals.BIND_CREATED)
        if answer.place != (Origin.parse(head.origin).n, cited.index, head.size, head.root):
            raise ProtocolError(refusals.ANSWER_PLACE, f"log {answer.place.n} index {answer.place.index} at {answer.place.size}")

    def _logged(self, cited: Cited) -> tuple[Head, str, Entry]:
        """The other side's head, its authority, and the entry that is proven to stand in its log."""
        self._cited = max(self._cited, cited.note + 1) if cited.note <= self._cited else -1
        verified = self._notes[cited.note] if cited.note < len(self._notes) else None
        if verified is None:
            raise ProtocolError(refusals.DOSSIER_FORM, f"no good head {cited.note}")
        logged = verify_logged(cited.entry, cited.index, cited.hashes(), verified).value
        said = parse_entry(cited.entry)
        late = said.time // limits.SECOND - logged.time
        if late > 0:
            raise ProtocolError(codes.TIME_HEAD, f"by {late} s")
        self.counted.proofs += 1
        return verified.value, Origin.parse(logged.origin).authority, said

    def _receipted(self, index: int, entry: Receipted) -> None:
        """Our ``receipted`` is about the receipt that is shown, if one is."""
        expected = self._expected.pop((entry.envelope_hash, entry.recipient), None)
        if expected is not None and expected != (entry.place, entry.entry_hash):
            self.wrong.append(f"index {index}: {codes.LOG_RULE}: `receipted` is about another receipt than the one shown")


def _short(error: ProtocolError) -> str:
    return f"{error.code} {error.detail}".rstrip()
