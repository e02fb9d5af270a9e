"""The chain of custody: who did what to which item, when, under which authority (domain 6.2, ISO/IEC 27037)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from protocol.forms.codelists_evidence import CustodyRole, CustodyType
from protocol.forms.form import Block, conditional, optional, required
from protocol.forms.problems import Problem, Wrong
from protocol.forms.scalars import Base64, Instant, Line, Sha256, Text, Uuid, instant_ms
from protocol.forms.tree import Node

_MOVES = (CustodyType.TRANSFERRED_OUT, CustodyType.TRANSFERRED_IN)


class Custodian(Block, frozen=True):
    """Who acted."""

    person: Annotated[Line, required("Name or staff pseudonym", "domain 6.2")]
    role: Annotated[CustodyRole, required("Role", "ISO/IEC 27037")]
    authority: Annotated[Line, required("Authority", "domain 6.2")]


class Method(Block, frozen=True):
    """How it was done."""

    method: Annotated[Line, required("Method", "ISO/IEC 27037")]
    tool: Annotated[Line | None, optional("Tool", "domain 6.2")] = None
    version: Annotated[Line | None, optional("Its version", "domain 6.2")] = None


class CustodyEvent(Block, frozen=True):
    """One event in the life of an item."""

    event_id: Annotated[Uuid, required("Id", "domain 6.2")]
    evidence_id: Annotated[Uuid, required("Which item", "ISO/IEC 27037")]
    type: Annotated[CustodyType, required("What happened", "domain 6.2")]
    at: Annotated[Instant, required("When", "ISO/IEC 27037")]
    place: Annotated[Line, required("Where", "ISO/IEC 27037")]
    by: Annotated[Custodian, required("Who", "ISO/IEC 27037")]
    from_: Annotated[Line | None, conditional("From whom; for a transfer", "domain 6.2", alias="from")] = None
    to: Annotated[Line | None, conditional("To whom; for a transfer", "domain 6.2")] = None
    authority_ref: Annotated[Line, required("Order, warrant or request it rests on", "ISO/IEC 27037")]
    method: Annotated[Method | None, optional("How", "ISO/IEC 27037")] = None
    hash_before: Annotated[Sha256 | None, optional("SHA-256 before", "domain 6.2")] = None
    hash_after: Annotated[Sha256 | None, optional("SHA-256 after", "domain 6.2")] = None
    changed: Annotated[bool, required("Whether the item was changed", "ISO/IEC 27037")]
    justification: Annotated[Text | None, conditional("Why, if it was changed", "ISO/IEC 27037")] = None
    witness: Annotated[Line | None, optional("Witness", "domain 6.2")] = None
    signature: Annotated[Base64 | None, optional("Signature of the event", "domain 6.2")] = None
    tst: Annotated[Base64 | None, optional("Time-stamp token", "RFC 3161")] = None
    prev_hash: Annotated[Sha256 | None, optional("SHA-256 of the event before", "domain 6.2")] = None


def chain(events: Node, evidence_ids: set[str]) -> Iterator[Problem]:
    """Events concern items of this form, stand in order of time, and explain every change (domain 6.2)."""
    last: dict[str, int] = {}
    for event in events.each():
        evidence = event["evidence_id"]
        if evidence.here and evidence.text not in evidence_ids:
            yield evidence.wrong(Wrong.CUSTODY_EVIDENCE, "is none of the items of this form")
        moment = instant_ms(event["at"].text)
        if moment is not None:
            if moment < last.get(evidence.text, moment):
                yield event["at"].wrong(Wrong.CUSTODY_ORDER, "is before the event that stands before it")
            last[evidence.text] = moment
        yield from _event(event)


def _event(event: Node) -> Iterator[Problem]:
    changed, before, after = event["changed"].value, event["hash_before"], event["hash_after"]
    if changed is True and not event["justification"].here:
        yield event["justification"].wrong(Wrong.CUSTODY_JUSTIFICATION, "is required where the item was changed")
    if changed is False and before.here and after.here and before.value != after.value:
        yield after.wrong(Wrong.CUSTODY_HASH, "differs from hash_before, although nothing was changed")
    if event["type"].text in _MOVES:
        for name in ("from", "to"):
            if not event[name].here:
                yield event[name].wrong(Wrong.CUSTODY_PARTIES, "is required for a transfer")
