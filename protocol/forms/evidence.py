"""The hand-over of evidence and its receipt (domain 6.6): sizes, hashes, conditions, custody; then what the receiver found."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar

from protocol import limits
from protocol.forms import custody, shared_rules
from protocol.forms.answer import Answer
from protocol.forms.codelists_evidence import ReceiptOutcome, ReceiptResult
from protocol.forms.custody import Custodian, CustodyEvent
from protocol.forms.form import Block, Declarations, Rule, conditional, optional, practice, required
from protocol.forms.papers import Condition
from protocol.forms.problems import Problem, Wrong
from protocol.forms.scalars import FileName, Instant, Line, MediaType, Sha256, Sha512, Text, Token, Uuid
from protocol.forms.tree import Node


class PartCount(Block, frozen=True):
    """Part n of m."""

    n: Annotated[int, required("Which part, from 1", "RFC 8493 Bag-Count", ge=1, le=10_000)]
    of: Annotated[int, required("Of how many", "RFC 8493 Bag-Count", ge=1, le=10_000)]


class EvidenceFile(Block, frozen=True):
    """One item handed over."""

    evidence_id: Annotated[Uuid, required("Id for its whole life", "ISO/IEC 27037")]
    item_no: Annotated[int | None, optional("Item of the request that it answers", "domain 1.10", ge=1, le=10_000)] = None
    exhibit_number: Annotated[Line | None, optional("Exhibit number", "domain 6.4")] = None
    description: Annotated[Text, required("What it is", "domain 6.6")]
    filename: Annotated[FileName, required("File name", "domain 6.3")]
    media_type: Annotated[MediaType, required("Media type", "domain 1.6")]
    size: Annotated[int, required("Bytes", "domain 6.6", ge=0, le=limits.PART)]
    sha256: Annotated[Sha256, required("SHA-256", "domain 6.3")]
    sha512: Annotated[Sha512, required("SHA-512", "domain 6.3")]
    malware_warning: Annotated[bool, required("Whether it may harm the system that opens it", "domain 6.6")]
    illegal_content: Annotated[bool, required("Whether possessing it is an offence: no preview, few viewers", "domain 6.6")]
    allowed_uses: Annotated[tuple[Line, ...], practice("Case numbers it may be used for", "UNTOC 18(19), domain 7.1")] = ()


def _handover(form: Node, _: Declarations) -> Iterator[Problem]:
    items, part = form["items"], form["part"]
    yield from shared_rules.used_once(item["evidence_id"] for item in items.each())
    n, of, final = part["n"].number, part["of"].number, form["final"]
    if n is not None and of is not None and n > of:
        yield part["n"].wrong(Wrong.PART_COUNT, "is more than the number of parts")
    elif n is not None and of is not None and isinstance(final.value, bool) and final.value is not (n == of):
        yield final.wrong(Wrong.PART_COUNT, "contradicts part: only the last part is final")
    sizes = [item["size"].number or 0 for item in items.each()]
    if form["total_size"].number is not None and form["total_size"].number != sum(sizes):
        yield form["total_size"].wrong(Wrong.TOTAL_SIZE, "is not the sum of the sizes of the items")
    yield from custody.chain(form["custody"], {item["evidence_id"].text for item in items.each()})
    yield from shared_rules.conditions(form["conditions"])
    yield from shared_rules.marking(form["handling_marking"])


def _uncovered(form: Node, _: Declarations) -> Iterator[Problem]:
    """Advice: a court asks for every item who held it (domain 6.1)."""
    covered = {event["evidence_id"].text for event in form["custody"].each()}
    for item in form["items"].each():
        if item["evidence_id"].text not in covered:
            yield item["evidence_id"].wrong(Wrong.NO_CUSTODY, "has no custody event")


class EvidenceHandover(Answer, frozen=True):
    """The header of a hand-over. The files follow as parts of the same message or of one linked to it."""

    kind: ClassVar[str] = "EVIDENCE_HANDOVER"
    rules: ClassVar[tuple[Rule, ...]] = (_handover,)
    advice: ClassVar[tuple[Rule, ...]] = (_uncovered,)

    handover_id: Annotated[Uuid, required("Id of this hand-over; the receipt answers it", "domain 6.6")]
    requested_reference: Annotated[Line, required("The requested side's file number", "domain 1.1")]
    part: Annotated[PartCount, required("Part n of m", "domain 1.10, RFC 8493 Bag-Count")]
    final: Annotated[bool, required("Whether this is the last part", "domain 1.10")]
    items: Annotated[tuple[EvidenceFile, ...], required("Items", "domain 6.6", min_length=1, max_length=511)]
    total_size: Annotated[int, required("Bytes of all items", "domain 6.6", ge=0, le=limits.MESSAGE)]
    conditions: Annotated[
        tuple[Condition, ...], required("Conditions on use", "UNTOC 18(19), domain 2.1.4", min_length=1, max_length=32)
    ]
    custody: Annotated[
        tuple[CustodyEvent, ...], practice("Chain of custody so far, oldest first", "domain 6.2", max_length=4096)
    ] = ()
    container: Annotated[Line | None, optional("Container of the items, as BagIt 1.0", "RFC 8493")] = None
    certificate_of_acquisition: Annotated[Token | None, optional("Attachment or file with the certificate", "domain 6.6")] = (
        None
    )
    sealed_copy_kept_until: Annotated[Instant | None, practice("Until when the sender keeps a sealed copy", "domain 6.6")] = (
        None
    )


class EvidenceFound(Block, frozen=True):
    """What the receiver found for one item."""

    evidence_id: Annotated[Uuid, required("Which item", "domain 6.6")]
    result: Annotated[ReceiptResult, required("Result", "domain 6.6")]
    size: Annotated[int | None, conditional("Bytes found", "domain 6.6", ge=0, le=limits.PART)] = None
    sha256: Annotated[Sha256 | None, conditional("SHA-256, computed again", "domain 6.6")] = None
    sha512: Annotated[Sha512 | None, conditional("SHA-512, computed again", "domain 6.6")] = None
    detail: Annotated[Text | None, conditional("The discrepancy in words", "domain 6.6")] = None


_COMPUTED = (ReceiptResult.VERIFIED, ReceiptResult.HASH_MISMATCH)


def _receipt(form: Node, _: Declarations) -> Iterator[Problem]:
    items, outcome, accepted = form["items"], form["outcome"], form["conditions_accepted"]
    yield from shared_rules.used_once(item["evidence_id"] for item in items.each())
    bad = [item for item in items.each() if item["result"].here and item["result"].text != ReceiptResult.VERIFIED]
    if outcome.here and (outcome.text == ReceiptOutcome.OK) is not (not bad):
        yield outcome.wrong(Wrong.RECEIPT_OUTCOME, "contradicts the results of the items")
    for item in bad:
        if not item["detail"].here:
            yield item["detail"].wrong(Wrong.DISCREPANCY_DETAIL, "is required for an item that was not verified")
    for item in items.each():
        for name in ("size", "sha256", "sha512"):
            if item["result"].text in _COMPUTED and not item[name].here:
                yield item[name].wrong(Wrong.MISSING, "is required: the value as computed by the receiver")
    if accepted.value is False and not form["remarks"].here:
        yield form["remarks"].wrong(Wrong.CONDITIONS_OPEN, "is required where the conditions are not accepted")
    yield from custody.chain(form["custody"], {item["evidence_id"].text for item in items.each()})
    yield from shared_rules.marking(form["handling_marking"])


class EvidenceReceipt(Answer, frozen=True):
    """The receiver's findings. ``in_reply_to`` is the hand-over's ``handover_id``."""

    kind: ClassVar[str] = "EVIDENCE_RECEIPT"
    rules: ClassVar[tuple[Rule, ...]] = (_receipt,)

    requested_reference: Annotated[Line | None, optional("The requested side's file number", "domain 1.1")] = None
    outcome: Annotated[ReceiptOutcome, required("Ok, or discrepancy", "domain 6.6")]
    items: Annotated[tuple[EvidenceFound, ...], required("Findings", "domain 6.6", min_length=1, max_length=511)]
    conditions_accepted: Annotated[bool, required("Whether the conditions are accepted", "domain 6.6, UNTOC 18(26)")]
    verified_at: Annotated[Instant, required("When", "domain 6.6")]
    verified_by: Annotated[Custodian, required("Who", "domain 6.2")]
    custody: Annotated[
        tuple[CustodyEvent, ...], practice("The VERIFIED events behind this receipt", "domain 6.2", max_length=4096)
    ] = ()
