"""An answer beside what it answers: the right request, known items, hashes that agree, no period below the minimum."""

from __future__ import annotations

from collections.abc import Iterator

from protocol.forms.answer import Answer
from protocol.forms.codelists_evidence import ReceiptResult
from protocol.forms.durations import min_preservation_days, preserved_until
from protocol.forms.evidence import EvidenceHandover, EvidenceReceipt
from protocol.forms.form import Form
from protocol.forms.preservation import EePreserve, PreservationReply
from protocol.forms.problems import Problem, Wrong
from protocol.forms.request import Request
from protocol.forms.scalars import instant_ms


def mismatches(asked: Form, answer: Answer) -> list[Problem]:
    """Where an answer does not fit the request or hand-over it answers; places are the answer's. Empty when it fits."""
    return sorted(_mismatches(asked, answer))


def below_minimum(asked: EePreserve, reply: PreservationReply, preservation_default_days: int | None) -> list[Problem]:
    """Items that are preserved for less than the minimum of the request's legal basis: a flag, not a refusal (domain 2.2.3)."""
    days = min_preservation_days((basis.instrument for basis in asked.legal_basis), preservation_default_days)
    found = []
    for index, item in enumerate(reply.items):
        if days is None or not (item.preserved_from and item.preserved_until and item.zone):
            continue
        if (instant_ms(item.preserved_until) or 0) < (instant_ms(preserved_until(item.preserved_from, days, item.zone)) or 0):
            found.append(Problem(f"/items/{index}/preserved_until", Wrong.BELOW_MINIMUM, f"is before the end of day {days}"))
    return found


def _mismatches(asked: Form, answer: Answer) -> Iterator[Problem]:
    own_id = (
        asked.request_id if isinstance(asked, Request) else asked.handover_id if isinstance(asked, EvidenceHandover) else ""
    )
    if answer.in_reply_to != own_id:
        yield Problem("/in_reply_to", Wrong.ANSWER_OTHER, "is the id of another request")
    if isinstance(asked, Request) and answer.requesting_reference not in (None, asked.requesting_reference):
        yield Problem("/requesting_reference", Wrong.ANSWER_OTHER, "is not the reference of the request")
    if isinstance(asked, EePreserve) and isinstance(answer, PreservationReply):
        yield from _items(asked, answer)
    if isinstance(asked, EvidenceHandover) and isinstance(answer, EvidenceReceipt):
        yield from _hashes(asked, answer)


def _items(asked: EePreserve, reply: PreservationReply) -> Iterator[Problem]:
    numbers = {item.item_no for item in asked.items}
    for index, item in enumerate(reply.items):
        if item.item_no not in numbers:
            yield Problem(f"/items/{index}/item_no", Wrong.ANSWER_ITEM, "is no item of the request")
    if numbers - {item.item_no for item in reply.items}:
        yield Problem("/items", Wrong.ANSWER_ITEM, "leaves items of the request unanswered")


def _hashes(handed: EvidenceHandover, receipt: EvidenceReceipt) -> Iterator[Problem]:
    sent = {item.evidence_id: (item.size, item.sha256, item.sha512) for item in handed.items}
    for index, item in enumerate(receipt.items):
        if item.evidence_id not in sent:
            yield Problem(f"/items/{index}/evidence_id", Wrong.ANSWER_ITEM, "was not handed over")
        elif (item.result is ReceiptResult.VERIFIED) and (item.size, item.sha256, item.sha512) != sent[item.evidence_id]:
            yield Problem(
                f"/items/{index}/sha256", Wrong.ANSWER_HASH, "and size are not those handed over, yet it says verified"
            )
    if set(sent) - {item.evidence_id for item in receipt.items}:
        yield Problem("/items", Wrong.ANSWER_ITEM, "leaves items of the hand-over unanswered")
