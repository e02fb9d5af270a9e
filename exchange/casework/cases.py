"""Who must have said yes before a message leaves: drafts, approval by a second person, written policies. (Domain 2.1.2, WEB-18)

A message is sealed when it is drafted, so what the second person reads and approves is, byte for byte, what is sent. Approval, its
act in the log, the ``submitted`` entry and the end of the draft are one transaction: there is no moment in between.

    one person suffices      kinds of ``ALONE``, for whoever holds the role there
    a policy suffices        a system of the house, for offices and kinds of a written policy
    a second person decides  everything else, and every emergency: an approver of the office who is not the drafter
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from exchange import codes
from exchange.casework.acts import Acts
from exchange.casework.compose import Composed, Composer, Proposal
from exchange.casework.papers import mismatches
from exchange.casework.people import People, Person, PersonKind
from exchange.casework.people import PersonRole as Role
from exchange.casework.unattended import Policy, covering
from exchange.evidence.partfiles import read_chunks
from exchange.exchange import Exchange
from exchange.log import Tx
from exchange.outgoing.outbox import Submission
from exchange.outgoing.sealing import Sealed
from keys.storage import StorageKey
from keys.suite import SUITE
from protocol import arrival, body, parts
from protocol import codes as protocol_codes
from protocol.drafts import DraftEvent, DraftState, after
from protocol.envelope import Envelope, parse_envelope
from protocol.errors import LocalError
from protocol.forms.problems import FormError, Problem

DRAFTERS: Final = frozenset({Role.OFFICER, Role.APPROVER, Role.INTAKE, Role.CASE_OFFICER, Role.DUTY})
READERS: Final = frozenset(Role)
ALONE: Final[Mapping[str, frozenset[Role]]] = {  # domain 2.1.2 and 2.2.2: what no approver stands beside
    "ACKNOWLEDGEMENT": frozenset({Role.INTAKE, Role.CASE_OFFICER, Role.DUTY}),
    "EE_PRESERVE": frozenset({Role.DUTY}),
    "PRESERVATION_REPLY": frozenset({Role.DUTY}),
    "EVIDENCE_RECEIPT": frozenset({Role.OFFICER, Role.INTAKE, Role.CASE_OFFICER, Role.DUTY}),
}
REASON: Final = 2000  # characters

_COLUMNS: Final = (
    "id, state, office, drafter, emergency, envelope, body, secret, conversation, sequence, time, expires, decided, decider, reason"
)


@dataclass(frozen=True, slots=True)
class Case:
    """A draft without its content. ``time`` and ``expires`` in ms; ``decider`` and ``decided`` once somebody has decided."""

    id: bytes
    state: DraftState
    office: str
    drafter: bytes
    emergency: bool
    envelope: Envelope
    time: int
    expires: int
    decided: int | None
    decider: bytes | None
    reason: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a proposal or an approval. ``index``: of its ``submitted`` entry, when sent."""

    state: DraftState
    message_id: bytes
    hash: bytes
    draft_id: bytes | None = None
    index: int | None = None
    advice: tuple[Problem, ...] = ()


Also = Callable[[Tx, Outcome], None]


class Cases:
    """Drafts of one authority. ``policies()`` gives the written policies in force; any thread may call."""

    def __init__(
        self, exchange: Exchange, people: People, acts: Acts, storage: StorageKey, policies: Callable[[], Sequence[Policy]]
    ) -> None:
        self.composer = Composer(exchange)
        self._exchange, self._people, self._acts, self._storage, self._policies = exchange, people, acts, storage, policies
        self._store, self._writer = exchange.store, exchange.writer

    # -- proposing -------------------------------------------------------------------------------------------------------------

    def propose(self, actor: bytes, wanted: Proposal, also: Also | None = None) -> Outcome:
        """Seal and send what one person or a policy may send; keep everything else for a second person.

        ``also`` runs in the transaction. Raises PERSON-*, ROLE-MISSING, DISK-RESERVE, and what ``Composer.compose`` and
        ``Sealer.seal`` raise.
        """
        office = str(wanted.from_office)
        self._drafter(actor, office)
        composed = self.composer.compose(wanted)
        self._exchange.reserve.demand(wanted.lane)
        sealed = self._exchange.outbox.seal(composed.draft)
        self._same_files(composed, sealed)
        keep = also or (lambda tx, outcome: None)

        def release(tx: Tx, submission: Submission) -> None:
            person = self._drafter(actor, office, tx.db)
            reason = self._released(person, office, wanted.kind, composed.emergency)
            if reason is None:
                raise LocalError(codes.ROLE_MISSING, office)
            action = "message.sent.policy" if "policy" in reason else "message.sent"
            self._acts.append(tx, person.id, action, {"envelope": submission.hash.hex(), **reason})
            keep(tx, _sent(submission, None, composed.advice))

        def propose(tx: Tx) -> Outcome:
            person = self._drafter(actor, office, tx.db)
            outcome = self._insert(tx, person, office, sealed, composed.emergency, composed.advice)
            keep(tx, outcome)
            return outcome

        if self._released(self._people.actor(actor), office, wanted.kind, composed.emergency) is None:
            return self._writer.run(propose)
        submission = self._exchange.outbox.submit(sealed, release).result()
        return _sent(submission, None, composed.advice)

    def _same_files(self, composed: Composed, sealed: Sealed) -> None:
        """The files that the form lists are those that were sealed. Raises FORM-INVALID; nothing is kept then."""
        wrong = list(mismatches(composed.files, _letter(sealed).attachments)) if composed.files else []
        if wrong:
            self._forget_files(sealed.envelope)
            raise FormError(protocol_codes.FORM_INVALID, errors=wrong)

    def _drafter(self, actor: bytes, office: str, db: sqlite3.Connection | None = None) -> Person:
        person = self._people.actor(actor, db)
        if not person.has(office, DRAFTERS):
            raise LocalError(codes.ROLE_MISSING, f"{office}: {', '.join(sorted(DRAFTERS))}")
        return person

    def _released(self, person: Person, office: str, kind: str, emergency: bool) -> dict[str, str] | None:
        """Why no second person is needed; None when one is. A system is never released by its roles alone."""
        if emergency:
            return None
        if person.kind is PersonKind.SYSTEM:
            policy = covering(self._policies(), person.id, office, kind)
            return None if policy is None else {"policy": policy.name, "policy_sha256": policy.sha256.hex()}
        return {"kind": kind} if person.has(office, ALONE.get(kind, frozenset())) else None

    def _insert(
        self, tx: Tx, person: Person, office: str, sealed: Sealed, emergency: bool, advice: tuple[Problem, ...]
    ) -> Outcome:
        e = sealed.envelope
        draft = e.message_id  # drawn at random, and nobody else's
        wrapped = self._storage.wrap(draft, sealed.secret, "draft")
        tx.db.execute(
            f"INSERT INTO draft ({_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,NULL,NULL,NULL)",  # noqa: S608 - a constant
            (draft, after(DraftState.DRAFT, DraftEvent.PROPOSE), office, person.id, emergency, e.raw, sealed.body, wrapped,
             sealed.conversation, sealed.sequence, tx.time, e.expires),
        )  # fmt: skip
        self._acts.append(tx, person.id, "message.drafted", {"draft": draft.hex(), "envelope": e.hash.hex()})
        return Outcome(DraftState.IN_APPROVAL, e.message_id, e.hash, draft, None, advice)

    # -- deciding --------------------------------------------------------------------------------------------------------------

    def approve(self, actor: bytes, draft: bytes, also: Also | None = None) -> Outcome:
        """Send a draft, as its second person. Raises DRAFT-UNKNOWN, DRAFT-STATE, ROLE-MISSING, SECOND-PERSON, PERSON-*."""
        case, sealed = self._open(draft, self._exchange.clock.now())

        def release(tx: Tx, submission: Submission) -> None:
            decider = self._second_person(actor, case, tx.db)
            _decide(tx, case, DraftEvent.APPROVE, decider.id, None)
            about = {"draft": draft.hex(), "envelope": submission.hash.hex()}
            self._acts.append(tx, decider.id, "message.approved", about)
            if also is not None:
                also(tx, _sent(submission, draft))

        self._second_person(actor, case)
        try:
            return _sent(self._exchange.outbox.submit(sealed, release).result(), draft)
        except sqlite3.IntegrityError:
            raise LocalError(codes.DRAFT_STATE, "somebody else was faster") from None

    def reject(self, actor: bytes, draft: bytes, reason: str, also: Also | None = None) -> Outcome:
        """Refuse a draft, as an approver, or withdraw it, as its drafter: it is destroyed. Raises as ``approve``, REASON-FORM."""
        if not 0 < len(reason.strip()) <= REASON:
            raise LocalError(codes.REASON_FORM)
        case, _ = self._open(draft, 0)
        outcome = Outcome(DraftState.REJECTED, case.envelope.message_id, case.envelope.hash, draft)

        def refuse(tx: Tx) -> None:
            own = actor == case.drafter
            decider = self._people.actor(actor, tx.db) if own else self._second_person(actor, case, tx.db)
            _decide(tx, case, DraftEvent.REJECT, decider.id, self._storage.wrap(draft, reason.encode(), "reason"))
            about = {"draft": draft.hex(), "envelope": case.envelope.hash.hex(), "reason": reason}
            self._acts.append(tx, decider.id, "draft.withdrawn" if own else "draft.rejected", about)
            if also is not None:
                also(tx, outcome)

        self._writer.run(refuse)
        self._forget_files(case.envelope)
        return outcome

    def lapse(self) -> int:
        """Destroy drafts whose time to live has ended; how many."""
        query = f"SELECT {_COLUMNS} FROM draft WHERE state='in_approval' AND expires<=?"  # noqa: S608 - a constant
        now = self._exchange.clock.now()
        ended = [self._case(row) for row in self._store.reader().execute(query, (now,)).fetchall()]
        for case in ended:
            self._writer.run(lambda tx, case=case: _decide(tx, case, DraftEvent.LAPSE, None, None))  # type: ignore[misc]
            self._forget_files(case.envelope)
        return len(ended)

    def _second_person(self, actor: bytes, case: Case, db: sqlite3.Connection | None = None) -> Person:
        person = self._people.actor(actor, db)
        if person.id == case.drafter:
            raise LocalError(codes.SECOND_PERSON)
        if person.kind is not PersonKind.OFFICER or not person.has(case.office, {Role.APPROVER}):
            raise LocalError(codes.ROLE_MISSING, f"{case.office}: {Role.APPROVER}")
        return person

    # -- reading ---------------------------------------------------------------------------------------------------------------

    def list(self, *, decided: bool = False) -> list[Case]:
        """The drafts that wait, oldest first; with ``decided`` the newest hundred of the others."""
        where = "state!='in_approval' ORDER BY decided DESC LIMIT 100" if decided else "state='in_approval' ORDER BY time, id"
        rows = self._store.reader().execute(f"SELECT {_COLUMNS} FROM draft WHERE {where}").fetchall()  # noqa: S608 - constants
        return [self._case(row) for row in rows]

    def find(self, draft: bytes) -> Case:
        """One draft. Raises DRAFT-UNKNOWN."""
        return self._case(self._row(draft))

    def about(self, case: Case) -> body.Letter | None:
        """The letter, for the program's own use (its kind, its offices); None once it was destroyed."""
        row = self._row(case.id)
        return None if row[7] is None else _letter(self._sealed(row, case))

    def read(self, actor: bytes, draft: bytes) -> body.Letter:
        """The letter, for the operator or somebody with a role in its office; reading is an act. Raises DRAFT-EMPTY, ROLE-MISSING."""
        case, sealed = self._readable(actor, draft)
        about = {"draft": draft.hex(), "envelope": case.envelope.hash.hex()}
        self._writer.run(lambda tx: self._acts.append(tx, self._people.actor(actor, tx.db).id, "draft.read", about))
        return _letter(sealed)

    def attachment(self, actor: bytes, draft: bytes, number: int) -> Iterator[bytes]:
        """The plaintext of part ``number`` (from 1). Verified as a whole when the iterator ends. Raises PART-NUMBER, as ``read``."""
        case, sealed = self._readable(actor, draft)
        e = case.envelope
        if not 1 <= number < len(e.parts):
            raise LocalError(codes.PART_NUMBER, f"{number} of {len(e.parts) - 1}")
        media_type = _letter(sealed).attachments[number - 1].media_type
        name = parts.PartName(e.network_id, e.message_id, number)
        part = parts.OpeningPart(SUITE, name, e.parts[number], sealed.secret[:32], sealed.secret[32:], media_type)
        for chunk in read_chunks(self._exchange.files.outgoing(e.parts[number].digest)):
            yield part.update(chunk)
        yield part.finalize()

    def _readable(self, actor: bytes, draft: bytes) -> tuple[Case, Sealed]:
        row = self._row(draft)
        case = self._case(row)
        reader = self._people.actor(actor)
        if reader.kind is not PersonKind.OPERATOR and not reader.has(case.office, READERS):
            raise LocalError(codes.ROLE_MISSING, case.office)
        return case, self._sealed(row, case)

    # -- rows ------------------------------------------------------------------------------------------------------------------

    def _open(self, draft: bytes, now: int) -> tuple[Case, Sealed]:
        """A draft that can still be decided at ``now``. Raises DRAFT-UNKNOWN, DRAFT-STATE."""
        row = self._row(draft)
        case = self._case(row)
        if case.state is not DraftState.IN_APPROVAL or case.expires <= now:
            raise LocalError(codes.DRAFT_STATE, case.state)
        return case, self._sealed(row, case)

    def _row(self, draft: bytes) -> tuple:  # type: ignore[type-arg]  # a row
        query = f"SELECT {_COLUMNS} FROM draft WHERE id=?"  # noqa: S608 - a constant
        row: tuple | None = self._store.reader().execute(query, (draft,)).fetchone()  # type: ignore[type-arg]
        if row is None:
            raise LocalError(codes.DRAFT_UNKNOWN, draft.hex())
        return row

    def _case(self, row: tuple) -> Case:  # type: ignore[type-arg]
        reason = "" if row[14] is None else self._storage.unwrap(row[0], row[14], "reason").decode()
        return Case(
            row[0], DraftState(row[1]), row[2], row[3], bool(row[4]), parse_envelope(row[5]), row[10], row[11], row[12], row[13], reason
        )  # fmt: skip

    def _sealed(self, row: tuple, case: Case) -> Sealed:  # type: ignore[type-arg]
        if row[6] is None or row[7] is None:
            raise LocalError(codes.DRAFT_EMPTY, case.state)
        return Sealed(case.envelope, self._storage.unwrap(case.id, row[7], "draft"), row[6], row[8], row[9])

    def _forget_files(self, envelope: Envelope) -> None:
        """Ciphertext that nobody can open any more only takes room."""
        for part in envelope.parts[1:]:
            self._exchange.files.outgoing(part.digest).unlink(missing_ok=True)


def _decide(tx: Tx, case: Case, event: DraftEvent, decider: bytes | None, reason: bytes | None) -> None:
    """Move the draft on and destroy its secret: when it was sent, the message holds its own. Raises DRAFT-STATE."""
    row = tx.db.execute("SELECT state FROM draft WHERE id=?", (case.id,)).fetchone()
    state = after(DraftState(row[0]), event)
    if state is None:
        raise LocalError(codes.DRAFT_STATE, row[0])
    query = "UPDATE draft SET state=?, decided=?, decider=?, reason=?, secret=NULL, body=NULL WHERE id=?"
    tx.db.execute(query, (state, tx.time, decider, reason, case.id))


def _letter(sealed: Sealed) -> body.Letter:
    e = sealed.envelope
    name = parts.PartName(e.network_id, e.message_id, 0)
    plaintext = parts.open_part(SUITE, name, e.parts[0], sealed.secret, parts.BODY_MEDIA_TYPE, sealed.body)
    return arrival.check_13_letter(e, plaintext)


def _sent(submission: Submission, draft: bytes | None, advice: tuple[Problem, ...] = ()) -> Outcome:
    return Outcome(DraftState.SENT, submission.message_id, submission.hash, draft, submission.index, advice)
