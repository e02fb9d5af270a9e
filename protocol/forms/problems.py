"""What may be wrong with a form: every wrong field has its place, a sentence and a stable code.

A place is a JSON Pointer (RFC 6901) into the form, ``/items/1/identifier/port``; the whole form is the empty pointer.
Sentences name fields, codes and limits, never what stands in a field.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from protocol.errors import Code, ProtocolError


class Wrong(StrEnum):
    """The stable codes of wrong fields and of advice. The last group warns; all others block sending."""

    # the shape of one field
    MISSING = "MISSING"
    UNKNOWN_FIELD = "UNKNOWN-FIELD"
    WRONG_TYPE = "WRONG-TYPE"
    NOT_IN_LIST = "NOT-IN-LIST"
    FORMAT = "FORMAT"
    LENGTH = "LENGTH"
    RANGE = "RANGE"
    NOT_NFC = "NOT-NFC"
    CONTROL_CHARACTER = "CONTROL-CHARACTER"
    INSTANT = "INSTANT"
    DAY = "DAY"
    ZONE = "ZONE"
    IDENTIFIER_VALUE = "IDENTIFIER-VALUE"
    # fields that belong together, in every form
    ORDER = "ORDER"
    DUPLICATE = "DUPLICATE"
    SAME_AUTHORITY = "SAME-AUTHORITY"
    RELATED_ONE = "RELATED-ONE"
    ORAL_FIRST = "ORAL-FIRST"
    MARKING_EMPTY = "MARKING-EMPTY"
    CONFIDENTIALITY_REASON = "CONFIDENTIALITY-REASON"
    NOTIFY_SUBJECT = "NOTIFY-SUBJECT"
    DEADLINE_REASONS = "DEADLINE-REASONS"
    DEADLINE_DATE = "DEADLINE-DATE"
    PENALTY = "PENALTY"
    # urgency
    URGENCY_DATE = "URGENCY-DATE"
    URGENCY_REASON = "URGENCY-REASON"
    EMERGENCY_FACTS = "EMERGENCY-FACTS"
    EMERGENCY_EU = "EMERGENCY-EU"
    EMERGENCY_FLAG = "EMERGENCY-FLAG"
    SENIOR_APPROVER = "SENIOR-APPROVER"
    # legal basis and language
    BASIS_PRIMARY = "BASIS-PRIMARY"
    BASIS_TITLE = "BASIS-TITLE"
    NOT_IN_FORCE = "NOT-IN-FORCE"
    RECIPROCITY = "RECIPROCITY"
    UNTOC_GATE = "UNTOC-GATE"
    UNTOC_SCOPE = "UNTOC-SCOPE"
    UNTOC_18_15 = "UNTOC-18-15"
    SERIOUS_CRIME = "SERIOUS-CRIME"
    TRANSLATION_NEEDED = "TRANSLATION-NEEDED"
    TRANSLATION_SAME = "TRANSLATION-SAME"
    TRANSLATION_CERTIFICATE = "TRANSLATION-CERTIFICATE"
    # electronic evidence
    ALL_DATA = "ALL-DATA"
    IP_TIME = "IP-TIME"
    IP_PORT = "IP-PORT"
    CUSTODIAN_REASON = "CUSTODIAN-REASON"
    NOTIFY_CONFLICT = "NOTIFY-CONFLICT"
    # preservation reply
    DECISION_ITEMS = "DECISION-ITEMS"
    PRESERVED_DATES = "PRESERVED-DATES"
    GROUNDS_MISSING = "GROUNDS-MISSING"
    GROUNDS_UNUSED = "GROUNDS-UNUSED"
    REASONS_MISSING = "REASONS-MISSING"
    GROUND_FORBIDDEN = "GROUND-FORBIDDEN"
    GROUND_CLOSED_LIST = "GROUND-CLOSED-LIST"
    GROUND_RESERVATION = "GROUND-RESERVATION"
    QUESTIONS_MISSING = "QUESTIONS-MISSING"
    REDIRECT_MISSING = "REDIRECT-MISSING"
    RISKS_NOTE = "RISKS-NOTE"
    # evidence
    CONDITION_UNTIL = "CONDITION-UNTIL"
    PART_COUNT = "PART-COUNT"
    TOTAL_SIZE = "TOTAL-SIZE"
    CUSTODY_EVIDENCE = "CUSTODY-EVIDENCE"
    CUSTODY_JUSTIFICATION = "CUSTODY-JUSTIFICATION"
    CUSTODY_HASH = "CUSTODY-HASH"
    CUSTODY_PARTIES = "CUSTODY-PARTIES"
    CUSTODY_ORDER = "CUSTODY-ORDER"
    RECEIPT_OUTCOME = "RECEIPT-OUTCOME"
    DISCREPANCY_DETAIL = "DISCREPANCY-DETAIL"
    CONDITIONS_OPEN = "CONDITIONS-OPEN"
    # an answer beside what it answers
    ANSWER_OTHER = "ANSWER-OTHER"
    ANSWER_ITEM = "ANSWER-ITEM"
    ANSWER_HASH = "ANSWER-HASH"
    # a form beside the files that go with it
    ATTACHMENT_MISSING = "ATTACHMENT-MISSING"
    ATTACHMENT_OTHER = "ATTACHMENT-OTHER"
    # advice: these warn and never block
    PRACTICE_MISSING = "PRACTICE-MISSING"
    ROUTINE_DATE = "ROUTINE-DATE"
    UNTOC_TRANSNATIONAL = "UNTOC-TRANSNATIONAL"
    UNTOC_GROUP = "UNTOC-GROUP"
    TIME_RANGE = "TIME-RANGE"
    BELOW_MINIMUM = "BELOW-MINIMUM"
    NO_CUSTODY = "NO-CUSTODY"


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One wrong field, or one piece of advice: ``loc`` (JSON Pointer), ``code`` (stable), ``msg`` (one sentence)."""

    loc: str
    code: Wrong
    msg: str

    def as_dict(self) -> dict[str, str]:
        """The same as a JSON object: loc, msg, code."""
        return {"loc": self.loc, "msg": self.msg, "code": str(self.code)}


class FormError(ProtocolError):
    """This is not a form we accept: FORM-JSON, FORM-KIND, or FORM-INVALID with all wrong fields in ``errors``."""

    def __init__(self, code: Code, detail: str = "", errors: Sequence[Problem] = ()) -> None:
        self.errors: tuple[Problem, ...] = tuple(sorted(set(errors)))
        super().__init__(code, detail or _summary(self.errors))


_SHOWN = 8


def _summary(errors: Sequence[Problem]) -> str:
    """Places and codes of the first few. The name of an unknown field was chosen by whoever wrote it, so it is left out."""
    places = [f"{_public(problem) or '/'} {problem.code}" for problem in errors[:_SHOWN]]
    more = f", and {len(errors) - _SHOWN} more" if len(errors) > _SHOWN else ""
    return ", ".join(places) + more


def _public(problem: Problem) -> str:
    return problem.loc.rpartition("/")[0] if problem.code is Wrong.UNKNOWN_FIELD else problem.loc
