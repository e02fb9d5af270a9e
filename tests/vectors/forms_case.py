"""What a failing form is made of: a valid example, edits, and the complete list of what is wrong with it."""

from __future__ import annotations

from typing import Any, NamedTuple

GONE = object()
KIND = {
    "preserve": "EE_PRESERVE",
    "preserve-reply": "PRESERVATION_REPLY",
    "mla-records": "MLA_RECORDS",
    "acknowledgement": "ACKNOWLEDGEMENT",
    "evidence-handover": "EVIDENCE_HANDOVER",
    "evidence-receipt": "EVIDENCE_RECEIPT",
}


class Case(NamedTuple):
    """One failing form."""

    example: str
    name: str
    edits: dict[str, Any]
    expect: list[list[str]]
    declared: dict[str, Any]


def case(example: str, name: str, edits: dict[str, Any], *expect: str, **declared: Any) -> Case:
    """A case; each expectation is written ``loc CODE``."""
    return Case(example, name, edits, sorted(text.split(" ") for text in expect), declared)


P, Y, M, A, H, E = KIND
