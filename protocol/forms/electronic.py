"""Electronic evidence: the items sought, as all EE kinds describe them (domain 1.9.1), and their rules."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from protocol.forms import identifiers, shared_rules
from protocol.forms.codelists_evidence import DataCategory, DataSubtype, IdentifierType
from protocol.forms.form import Block, Declarations, conditional, optional, practice, required
from protocol.forms.papers import Span
from protocol.forms.problems import Problem, Wrong
from protocol.forms.scalars import Instant, Line, State, Text
from protocol.forms.tree import Node

_ADDRESSES = (IdentifierType.IPV_4, IdentifierType.IPV_6, IdentifierType.IP_ADDRESS_RANGE, IdentifierType.IP_BLOCKS)


class Identifier(Block, frozen=True):
    """What identifies the data. An IP address was somebody's only at a time, and behind shared addressing only at a port."""

    type: Annotated[IdentifierType, required("Type", "domain 1.9.1")]
    value: Annotated[Line, required("Value", "domain 1.9.1")]
    service: Annotated[Line | None, optional("Service it belongs to", "domain 1.9.1")] = None
    port: Annotated[int | None, conditional("Source port; for an IPv4 address", "domain 1.9.1", ge=1, le=65535)] = None
    port_unknown_reason: Annotated[Line | None, conditional("Why no port is known", "domain 1.9.1")] = None
    observed_at: Annotated[Span | None, conditional("When it was seen; for an IP address", "domain 1.9.1")] = None


class Category(Block, frozen=True):
    """A category of data, and its sub-types if it can be narrowed."""

    category: Annotated[DataCategory, required("Category", "domain 1.9.1")]
    subtypes: Annotated[tuple[DataSubtype, ...], optional("Sub-types", "domain 1.9.1", max_length=32)] = ()


class RetentionRisk(Block, frozen=True):
    """When the provider may lose the data."""

    expires_at_estimate: Annotated[Instant, required("Estimated instant of loss", "domain 1.9.1")]
    reason: Annotated[Text, required("Why", "domain 1.9.1")]


class EvidenceItem(Block, frozen=True):
    """One thing to preserve, disclose or produce."""

    item_no: Annotated[int, required("Number inside this form", "domain 1.9.1", ge=1, le=10_000)]
    identifier: Annotated[Identifier, required("What identifies the data", "Budapest 29(2)(c)")]
    service_provider: Annotated[Line | None, conditional("Custodian, or `unknown`", "Budapest 29(2)(d)")] = None
    unknown_reason: Annotated[Text | None, conditional("Why the custodian is unknown", "Budapest 29(2)(d)")] = None
    custodian_location: Annotated[
        State | None, optional("State where custodian or computer system is", "Budapest 29(2)(d)")
    ] = None
    categories: Annotated[tuple[Category, ...], required("Categories of data", "Budapest 29(2)(c)", min_length=1, max_length=8)]
    time_range: Annotated[Span | None, optional("Time that the data cover", "domain 1.9.1")] = None
    relation_to_offence: Annotated[Text | None, practice("How the data relate to the offence", "Budapest 29(2)(c)")] = None
    retention_risk: Annotated[RetentionRisk | None, optional("When they may be lost", "domain 1.9.1")] = None


def items(form: Node, _: Declarations) -> Iterator[Problem]:
    """Every item is identified, placed in time and ascribed to a custodian (domain 1.9.1, Budapest 29(2)(c)-(d))."""
    yield from shared_rules.used_once(item["item_no"] for item in form["items"].each())
    for item in form["items"].each():
        yield from _identifier(item["identifier"])
        yield from shared_rules.span(item["time_range"])
        provider, reason = item["service_provider"], item["unknown_reason"]
        unknown = not provider.here or provider.text.strip().casefold() == "unknown"
        if isinstance(item.value, dict) and unknown and not reason.here:
            yield reason.wrong(Wrong.CUSTODIAN_REASON, "is required where service_provider is unknown (Budapest 29(2)(d))")


def time_ranges(form: Node, _: Declarations) -> Iterator[Problem]:
    """Advice: traffic and content are sought for a span of time."""
    wide = (DataCategory.TRAFFIC, DataCategory.CONTENT)
    for item in form["items"].each():
        if not item["time_range"].here and any(each["category"].text in wide for each in item["categories"].each()):
            yield item["time_range"].wrong(Wrong.TIME_RANGE, "is missing; providers ask it for traffic and content")


def _identifier(node: Node) -> Iterator[Problem]:
    kind, value = node["type"].text, node["value"]
    if value.here and identifiers.means_everything(value.text):
        yield value.wrong(Wrong.ALL_DATA, "names no one account, address or device; all data cannot be asked for")
    elif value.here and not identifiers.fits(kind, value.text):
        yield value.wrong(Wrong.IDENTIFIER_VALUE, f"cannot be an identifier of type {kind}")
    yield from shared_rules.span(node["observed_at"])
    if kind in _ADDRESSES and not node["observed_at"].here:
        yield node["observed_at"].wrong(Wrong.IP_TIME, "is required for an IP address: an instant with its offset")
    if kind == IdentifierType.IPV_4 and not node["port"].here and not node["port_unknown_reason"].here:
        yield node["port"].wrong(Wrong.IP_PORT, "or port_unknown_reason is required: addresses may be shared")
