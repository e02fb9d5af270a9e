"""From what somebody wants to send to a letter that can be sealed: offices, form, what it answers, how long it is valid.

Everything that would make the other side refuse is refused here, before anything is stored; what is merely unwise is advice.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from exchange import codes
from exchange.casework.papers import Listed, listed
from exchange.exchange import Exchange
from exchange.messages import RECEIVED, Message
from exchange.outgoing.sealing import Attachment, Draft
from keys.directory.view import Member, OfficeRecord
from protocol import codes as protocol_codes
from protocol import limits
from protocol.entries import Lane
from protocol.errors import LocalError
from protocol.forms.answer import Answer
from protocol.forms.codelists import UrgencyLevel
from protocol.forms.form import Declarations, Form
from protocol.forms.pairs import below_minimum, mismatches
from protocol.forms.preservation import EePreserve, PreservationReply
from protocol.forms.problems import FormError, Problem, Wrong
from protocol.forms.registry import parse_form, render_form, warnings
from protocol.names import Office

VALID: Final = {Lane.ROUTINE: 10 * limits.DAY, Lane.URGENT: 3 * limits.DAY}  # when the caller names no end

_EMERGENCIES: Final = (UrgencyLevel.EMERGENCY_LIFE, UrgencyLevel.EMERGENCY_CI)


@dataclass(frozen=True, slots=True)
class Proposal:
    """What somebody wants to send. ``form``: its JSON; ``expires``: ms, None for the lane's own; ``answers``: a message id."""

    from_office: Office
    to: tuple[Office, ...]
    kind: str
    form: bytes
    lane: Lane = Lane.ROUTINE
    expires: int | None = None
    attachments: tuple[Attachment, ...] = ()
    answers: bytes | None = None


@dataclass(frozen=True, slots=True)
class Composed:
    """A letter ready to be sealed, whether it is an emergency, advice, and the files that the form lists."""

    draft: Draft
    emergency: bool
    advice: tuple[Problem, ...]
    files: tuple[Listed, ...] = ()


class Composer:
    """Composes letters of one authority."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def compose(self, wanted: Proposal) -> Composed:
        """The letter. Raises OFFICE-OURS, DIRECTORY-*, RECIPIENT-LEFT, KIND-NOT-TAKEN, FORM-*, ANSWERS-OTHER, EXPIRES-RANGE."""
        self._own_office(wanted.from_office)
        found = [self._recipient(office, wanted.kind) for office in wanted.to]
        form, advice = self.check_form(wanted.kind, wanted.form, found)
        asked = None if wanted.answers is None else self._asked(wanted.answers, {office.authority for office in wanted.to})
        if asked is not None:
            advice += self._beside(asked, form)
        conversation = None if asked is None else asked.conversation
        draft = Draft(
            wanted.from_office.office, wanted.to, wanted.kind, render_form(form, declared([member for member, _ in found])),
            self._expires(wanted), wanted.lane, wanted.attachments, conversation, self._next_sequence(conversation),
            wanted.answers,
        )  # fmt: skip
        return Composed(draft, is_emergency(form), tuple(sorted(set(advice))), listed(form))

    def check_form(
        self, kind: str, raw: bytes, recipients: Iterable[tuple[Member, OfficeRecord]]
    ) -> tuple[Form, list[Problem]]:
        """The form, and advice on it. Raises FORM-KIND, FORM-JSON, FORM-INVALID with every wrong field."""
        found = list(recipients)
        facts = declared([member for member, _ in found])
        form = parse_form(kind, raw, facts)
        return form, [*warnings(form, facts), *_language(form, found)]

    def _own_office(self, office: Office) -> None:
        offices = self._exchange.directory().member(self._exchange.us).offices
        if office not in {record.office for record in offices}:
            raise LocalError(codes.OFFICE_OURS, str(office))

    def _recipient(self, office: Office, kind: str) -> tuple[Member, OfficeRecord]:
        member = self._exchange.directory().member(office.authority)
        if not member.active:
            raise LocalError(codes.RECIPIENT_LEFT, office.authority)
        record = member.office(office)
        if record.functions and kind not in record.functions:
            raise LocalError(codes.KIND_NOT_TAKEN, f"{office} takes {', '.join(record.functions)}")
        return member, record

    def _expires(self, wanted: Proposal) -> int:
        now = self._exchange.clock.now()
        expires = now + VALID[wanted.lane] if wanted.expires is None else wanted.expires
        if not now < expires <= now + limits.TTL:
            raise LocalError(codes.EXPIRES_RANGE)
        return expires

    # -- answering ----------------------------------------------------------------------------------------------------------

    def _asked(self, message_id: bytes, recipients: set[str]) -> Message:
        message = self._exchange.messages.find(message_id)
        if message.direction != RECEIVED or message.index is None or message.sender not in recipients:
            raise LocalError(codes.ANSWERS_OTHER, message_id.hex())
        return message

    def _beside(self, asked: Message, form: Form) -> list[Problem]:
        """What does not fit the request is refused, a period below the minimum is advice; an unreadable request is passed over."""
        letter = self._exchange.messages.read(asked)
        try:
            request = parse_form(letter.kind, letter.form)
        except FormError:
            return []
        if isinstance(form, Answer):
            wrong = mismatches(request, form)
            if wrong:
                raise FormError(protocol_codes.FORM_INVALID, errors=wrong)
        if isinstance(request, EePreserve) and isinstance(form, PreservationReply):
            ours = self._exchange.directory().member(self._exchange.us)
            return below_minimum(request, form, ours.preservation_default_days)
        return []

    def _next_sequence(self, conversation: bytes | None) -> int:
        """One more than our last in this conversation, drafts included."""
        if conversation is None:
            return 1
        query = (
            "SELECT max(s) FROM (SELECT max(sequence) AS s FROM outgoing WHERE conversation=:c"
            " UNION ALL SELECT max(sequence) FROM draft WHERE conversation=:c AND state='in_approval')"
        )
        last = self._exchange.store.reader().execute(query, {"c": conversation}).fetchone()[0]
        return 1 if last is None else int(last) + 1


def is_emergency(form: Form) -> bool:
    """Whether a form claims a danger to life, safety or critical infrastructure."""
    urgency = getattr(form, "urgency", None)
    return urgency is not None and urgency.level in _EMERGENCIES


def declared(members: Iterable[Member]) -> Declarations:
    """What the directory says of the recipients that a form's rules need."""
    return Declarations(dual_criminality_reservation=any(member.dual_criminality_reservation for member in members))


def _language(form: Form, recipients: Iterable[tuple[Member, OfficeRecord]]) -> Iterator[Problem]:
    """Advice when a recipient reads none of the languages of text and translations: it may ask for one. (UNTOC 18(14))"""
    language = getattr(form, "language", None)
    if language is None:
        return
    have = {language, *(each.language for each in getattr(form, "translations", ()))}
    for member, record in recipients:
        accepted = record.languages or member.accepted_languages
        if accepted and not have & set(accepted):
            yield Problem("/language", Wrong.TRANSLATION_NEEDED, f"{record.office} reads {', '.join(accepted)}")


def form_bytes(form: Mapping[str, Any]) -> bytes:
    """A form given as a JSON value, as bytes."""
    return json.dumps(form, ensure_ascii=False).encode()
