"""Checks 4 to 12: what the sender's log and each recipient's log say about the envelope.

Written from SPEC.md sections 3 and 4 and not from the code of the inbox: the same rules a second time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from exchange.auditor import codes
from exchange.auditor.anchor import utc
from exchange.auditor.folder import Folder
from keys.directory.view import Directory, LogRecord, LogState
from keys.suite import SUITE
from protocol import codes as refusals
from protocol import cosignature, limits
from protocol.checkpoint import Head, parse_checkpoint, verify_head
from protocol.entries import Consigned, Entry, Refused, Submitted, parse_entry
from protocol.envelope import Envelope
from protocol.errors import ProtocolError
from protocol.grades import Grade
from protocol.names import Origin
from protocol.note import parse_note
from protocol.policy import Policy, policy_for
from protocol.proof import LoggedEntry, TlogProof, parse_proof, verify_logged
from protocol.verified import Verified
from protocol.vkey import COSIGNATURE_MLDSA44, VKey


@dataclass(frozen=True, slots=True)
class SignedHead:
    """A head that its log signed: the log's record, its grade, the witnesses that signed it, and when each did (seconds)."""

    record: LogRecord
    head: Verified[Head]
    grade: Grade
    witnesses: tuple[str, ...]
    times: tuple[int, ...]
    proof: TlogProof | None = None


@dataclass(frozen=True, slots=True)
class Statement:
    """An entry proven in a log: what its authority said, and under which head."""

    signed: SignedHead
    logged: LoggedEntry
    entry: Entry


Link: TypeAlias = Callable[[Statement, Statement], str]


def witness_keys(record: LogRecord, directory: Directory) -> tuple[VKey, ...]:
    """The 0x06 keys of a log's witnesses, each named ``<network>/<authority>/witness``, as far as the directory knows them."""
    return tuple(
        VKey(f"{directory.network}/{name}/witness", COSIGNATURE_MLDSA44, directory.members[name].witness.mldsa44)
        for name in record.witnesses
        if name in directory.members
    )


def policy_of(record: LogRecord, directory: Directory, grade: Grade) -> Policy:
    """What a head of this log must show for a grade: the log's two signatures, and for *witnessed* the quorum as well."""
    k = record.quorum if grade is Grade.WITNESSED else 0
    return policy_for(record.keys, witness_keys(record, directory), k)


def check_head(folder: Folder, name: str, directory: Directory, authority: str) -> tuple[SignedHead, str]:
    """Checks 4 and 8: the head in the proof file ``name`` is signed by a log of ``authority`` that the directory lists.

    Raises PROOF-FORM, NOTE-*, CHECKPOINT-*, PROOF-SPEAKER, NAME-ORIGIN, DIRECTORY-UNKNOWN-*, HEAD-DISPUTED.
    """
    proof = parse_proof(folder.read(name))
    signed = replace(signed_head(proof.note, directory, authority), proof=proof)
    seen = f", and by {', '.join(signed.witnesses)}" if signed.witnesses else ""
    size, standing = signed.head.value.size, _standing(signed.record, directory)
    return signed, f"{signed.grade}: size {size} of {signed.record.origin}, signed with both keys of the log{seen}{standing}"


def signed_head(note: bytes, directory: Directory, authority: str) -> SignedHead:
    """The head in a note of a log of ``authority``, with its witnesses' times. Raises as ``judge_head``."""
    record, head, grade, witnesses = judge_head(note, directory, authority)
    return SignedHead(record, head, grade, witnesses, _times(note, record, directory, witnesses))


def judge_head(
    note: bytes, directory: Directory, authority: str | None = None
) -> tuple[LogRecord, Verified[Head], Grade, tuple[str, ...]]:
    """A head that a log of this network (of ``authority``, if named) has signed, its grade, and the witnesses that signed it too.

    Raises NOTE-*, CHECKPOINT-*, PROOF-SPEAKER, NAME-ORIGIN, DIRECTORY-UNKNOWN-*, HEAD-DISPUTED.
    """
    origin = parse_checkpoint(parse_note(note).text).origin
    speaker = Origin.parse(origin)
    if speaker.network != directory.network or authority not in (None, speaker.authority):
        raise ProtocolError(codes.PROOF_SPEAKER, f"{origin}, not {authority or directory.network}")
    record = directory.log(origin)
    head = verify_head(note, record.keys, SUITE)
    return record, head, *_grade(head.value, record, directory)


def check_number(signed: SignedHead, n: int) -> tuple[SignedHead, str]:
    """Check 4 for the proof of an earlier submission: it is from log ``n``. Raises PROOF-SPEAKER."""
    if signed.record.origin.n != n:
        raise ProtocolError(codes.PROOF_SPEAKER, f"{signed.record.origin}, not log {n}")
    return signed, f"it is log {n}"


def check_path(signed: SignedHead) -> tuple[Statement, str]:
    """Checks 5 and 9: the entry that the proof carries stands in that log. Raises PROOF-EXTRA, PROOF-INCLUSION, ENTRY-*."""
    assert signed.proof is not None
    entry = signed.proof.extra
    if entry is None:
        raise ProtocolError(refusals.PROOF_EXTRA, "there is no extra line")
    logged = verify_logged(entry, signed.proof.index, signed.proof.path, signed.head).value
    return Statement(signed, logged, parse_entry(entry)), f"the entry stands at index {logged.index}"


def check_submitted(said: Statement, envelope: Envelope) -> tuple[Statement, str]:
    """Check 6: the sender's entry submits this very envelope. Raises ORIGIN-KIND, BIND-HASH, BIND-FIELDS."""
    submits(said.entry, envelope)
    return said, "submits this envelope"


def submits(entry: Entry, envelope: Envelope) -> Submitted:
    """The entry, when it submits this very envelope. Raises ORIGIN-KIND, BIND-HASH, BIND-FIELDS."""
    if not isinstance(entry, Submitted):
        raise ProtocolError(refusals.ORIGIN_KIND, type(entry).__name__.lower())
    if entry.envelope_hash != envelope.hash:
        raise ProtocolError(refusals.BIND_HASH)
    for field, claimed, carried in (
        ("message id", entry.message_id, envelope.message_id),
        ("lane", entry.lane, envelope.lane),
        ("expires", entry.expires, envelope.expires),
        ("number of recipients", entry.recipients, len(envelope.recipients)),
    ):
        if claimed != carried:
            raise ProtocolError(refusals.BIND_FIELDS, field)
    return entry


def check_answer(said: Statement, envelope: Envelope) -> tuple[Statement, str]:
    """Check 10: the recipient's entry answers this very envelope. Raises ANSWER-KIND, ANSWER-ENVELOPE, ANSWER-SENDER."""
    entry = answers(said.entry, envelope)
    if isinstance(entry, Refused):
        return said, f"refuses this envelope at check {entry.check}: {entry.reason}"
    return said, "took this envelope: all parts there, opened, as committed"


def answers(entry: Entry, envelope: Envelope) -> Consigned | Refused:
    """The entry, when it answers this very envelope. Raises ANSWER-KIND, ANSWER-ENVELOPE, ANSWER-SENDER."""
    if not isinstance(entry, Consigned | Refused):
        raise ProtocolError(refusals.ANSWER_KIND, type(entry).__name__.lower())
    if (entry.envelope_hash, entry.message_id) != (envelope.hash, envelope.message_id):
        raise ProtocolError(refusals.ANSWER_ENVELOPE)
    if entry.sender != envelope.sender:
        raise ProtocolError(refusals.ANSWER_SENDER, entry.sender)
    return entry


def check_place(answered: Statement, submissions: Sequence[Statement], link: Link | None = None) -> tuple[Statement, str]:
    """Check 11: the answer cites the place of a submission that is proven here. Raises ANSWER-PLACE.

    ``link`` says how the cited head and the proof's are one, where a file shows it.
    Without it a cited head of another size than the one at hand cannot be compared offline without a path between both: said, not hidden.
    """
    assert isinstance(answered.entry, Consigned | Refused)
    place = answered.entry.place
    proven = {(said.signed.record.origin.n, said.logged.index): said.logged for said in submissions}
    origin = proven.get((place.n, place.index))
    if origin is None:
        known = ", ".join(f"log {n} index {index}" for n, index in proven)
        raise ProtocolError(refusals.ANSWER_PLACE, f"log {place.n} index {place.index}, proven is {known}")
    if place.size == origin.size and place.root != origin.root:
        raise ProtocolError(refusals.ANSWER_PLACE, f"another root at size {place.size}")
    cited = f"cites log {place.n}, index {place.index}, under"
    if place.size == origin.size:
        return answered, f"{cited} the very head of the origin proof"
    if link is not None:
        says = link(answered, next(said for said in submissions if said.logged is origin))
        return answered, f"cites log {place.n}, index {place.index}; {says}"
    return answered, f"{cited} its head of size {place.size}; the origin proof is under {origin.size}"


def check_created(submitted: Statement, envelope: Envelope) -> tuple[Statement, str]:
    """Check 12 for the sender: created, then logged, then signed. Raises BIND-CREATED, TIME-HEAD."""
    if envelope.created > submitted.entry.time:
        raise ProtocolError(refusals.BIND_CREATED)
    _before_head(submitted)
    return submitted, f"claimed: submitted {utc(submitted.entry.time)}"


def check_answered(answered: Statement, submissions: Sequence[Statement]) -> tuple[Statement, str]:
    """Check 12 for a recipient: logged, then signed. Raises TIME-HEAD.

    A time before the submission's by more than the allowed skew is shown as such and refutes nothing: two clocks may differ.
    """
    _before_head(answered)
    early = min(said.entry.time for said in submissions) - answered.entry.time
    doubt = (
        f", {early // limits.SECOND} s before the submission it cites: one of both clocks was wrong"
        if early > limits.SKEW
        else ""
    )
    return answered, f"claimed: answered {utc(answered.entry.time)}{doubt}"


def _times(note: bytes, record: LogRecord, directory: Directory, signed: Sequence[str]) -> tuple[int, ...]:
    """When (seconds) each witness signed, of lines that were checked."""
    known = {(vkey.name, vkey.key_id) for vkey in witness_keys(record, directory) if vkey.name in signed}
    lines = [line for line in parse_note(note).signatures if (line.name, line.key_id) in known]
    return tuple(cosignature.unpack(line.blob)[0] for line in lines)


def _before_head(said: Statement) -> None:
    late = said.entry.time // limits.SECOND - said.logged.time
    if late > 0:
        raise ProtocolError(codes.TIME_HEAD, f"by {late} s")


def _standing(record: LogRecord, directory: Directory) -> str:
    """What the directory says of log and authority by now, where it is not the ordinary."""
    standby = "; the directory still lists this log as standby" if record.state is LogState.STANDBY else ""
    gone = (
        ""
        if directory.member(record.origin.authority).active
        else "; this authority has left the network since, or was revoked"
    )
    return standby + gone


def _grade(head: Head, record: LogRecord, directory: Directory) -> tuple[Grade, tuple[str, ...]]:
    """The grade, and who signed. A witness's line that is not good refuses the head, as a line of the log would."""
    note = parse_note(head.note)
    seen = policy_of(record, directory, Grade.LOGGED).check(note, SUITE)
    witnesses = tuple(sorted(name for name in seen if name != "self"))
    grade = Grade.WITNESSED if record.quorum and len(witnesses) >= record.quorum else Grade.LOGGED
    if record.closing is not None:
        size, root = record.closing
        if head.size > size or (head.size == size and head.root != root):
            raise ProtocolError(codes.HEAD_DISPUTED, f"size {head.size}, closed at {size}")
        if head.size == size:
            grade = Grade.CLOSED
    return grade, witnesses
