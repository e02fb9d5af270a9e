"""Originals or certified copies of records: government, bank, financial, corporate, business (UNTOC 18(3)(f), 18(29))."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar

from protocol.forms import identifiers, shared_rules
from protocol.forms.codelists_evidence import CopyForm, HolderType, RecordAccess, RecordIdentifierType
from protocol.forms.form import Block, Declarations, Rule, optional, practice, required
from protocol.forms.papers import Span
from protocol.forms.problems import Problem, Wrong
from protocol.forms.request import Article18, Request
from protocol.forms.scalars import Line, State, Text
from protocol.forms.tree import Node


class Holder(Block, frozen=True):
    """Who holds the records. Bank secrecy is no ground to withhold them (18(8))."""

    type: Annotated[HolderType, required("Kind of holder", "UNTOC 18(3)(f)")]
    name: Annotated[Line, required("Name", "domain 1.5")]
    address: Annotated[Text | None, optional("Address", "domain 1.5")] = None
    state: Annotated[State | None, optional("State", "domain 1.5")] = None


class RecordIdentifier(Block, frozen=True):
    """An account or entity."""

    type: Annotated[RecordIdentifierType, required("Type", "domain 1.5")]
    value: Annotated[Line, required("Value", "domain 1.5")]
    holder_name: Annotated[Line | None, optional("In whose name", "domain 1.5")] = None


class RecordsItem(Block, frozen=True):
    """Records of one holder."""

    item_no: Annotated[int, required("Number inside this form", "domain 1.5", ge=1, le=10_000)]
    holder: Annotated[Holder, required("Who holds them", "domain 1.5")]
    identifiers: Annotated[
        tuple[RecordIdentifier, ...], required("Accounts or entities", "domain 1.5", min_length=1, max_length=100)
    ]
    period: Annotated[Span, required("Time that the records cover", "domain 1.5")]
    document_types: Annotated[tuple[Line, ...], required("Kinds of documents", "domain 1.5", min_length=1, max_length=64)]
    copy_form: Annotated[CopyForm, required("Original, certified copy or copy", "UNTOC 18(3)(f)")]
    access: Annotated[RecordAccess | None, optional("Public, non-public government, or private", "UNTOC 18(29)")] = None
    business_records_certificate: Annotated[
        bool | None, practice("Whether a certificate of the holder is wanted", "domain 1.5")
    ] = None


def _records(form: Node, _: Declarations) -> Iterator[Problem]:
    """Each item names its accounts or entities and a span of time."""
    yield from shared_rules.used_once(item["item_no"] for item in form["records"].each())
    for item in form["records"].each():
        yield from shared_rules.span(item["period"])
        for identifier in item["identifiers"].each():
            kind, value = identifier["type"].text, identifier["value"]
            if value.here and identifiers.means_everything(value.text):
                yield value.wrong(Wrong.ALL_DATA, "names no one account or entity; all records cannot be asked for")
            elif value.here and not identifiers.fits(kind, value.text):
                yield value.wrong(Wrong.IDENTIFIER_VALUE, f"cannot be an identifier of type {kind}")


class MlaRecords(Request, Article18, frozen=True):
    """A request for records."""

    kind: ClassVar[str] = "MLA_RECORDS"
    rules: ClassVar[tuple[Rule, ...]] = (*Request.rules, _records)

    records: Annotated[tuple[RecordsItem, ...], required("Records wanted", "UNTOC 18(3)(f)", min_length=1, max_length=256)]
