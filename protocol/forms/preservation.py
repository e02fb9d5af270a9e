"""Expedited preservation of stored data: the request (Budapest 29(2), domain 1.9.2) and the reply (domain 2.2)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from protocol.forms import electronic, shared_rules
from protocol.forms.answer import Answer
from protocol.forms.codelists import BasisRelation, Instrument
from protocol.forms.codelists_evidence import PRESERVATION_GROUNDS, Ground, ItemResult, PreservationDecision, Risk296
from protocol.forms.electronic import EvidenceItem
from protocol.forms.form import Block, Declarations, Rule, conditional, optional, practice, required
from protocol.forms.papers import Condition, Cost, Marking
from protocol.forms.problems import Problem, Wrong
from protocol.forms.request import Article18, Request
from protocol.forms.request_rules import is_emergency, relies_on
from protocol.forms.scalars import Day, Instant, Language, Line, Office, State, Text, Zone
from protocol.forms.tree import Node


class ProviderContact(Block, frozen=True):
    """A preservation letter already sent to the provider directly."""

    sent: Annotated[bool, required("Whether one was sent", "domain 1.9.2")]
    date: Annotated[Instant | None, optional("When", "domain 1.9.2")] = None
    ticket: Annotated[Line | None, optional("The provider's reference", "domain 1.9.2")] = None


def _article_18(form: Node, _: Declarations) -> Iterator[Problem]:
    """Where UNTOC is the primary basis, the request is one under 18(3)(i), and 18(15) and 18(19) apply in full."""
    if relies_on(form, Instrument.UNTOC_2000, BasisRelation.PRIMARY):
        for name in Article18.model_fields:
            if not form[name].here:
                yield form[name].wrong(Wrong.UNTOC_18_15, "is required where UNTOC is the primary basis")


def _consistent(form: Node, _: Declarations) -> Iterator[Problem]:
    notify, prohibited = form["notify_subject"], form["notify_user_prohibited"]
    if not notify.here:
        yield notify.wrong(Wrong.MISSING, "is required for electronic evidence")
    if prohibited.value is True and notify.text == "allowed":
        yield prohibited.wrong(Wrong.NOTIFY_CONFLICT, "contradicts notify_subject")
    if form["emergency"].here and form["emergency"].value is not is_emergency(form):
        yield form["emergency"].wrong(Wrong.EMERGENCY_FLAG, "contradicts the level of urgency")


class EePreserve(Request, frozen=True):
    """A request to preserve stored data expeditiously, before a request for assistance follows."""

    kind: ClassVar[str] = "EE_PRESERVE"
    rules: ClassVar[tuple[Rule, ...]] = (*Request.rules, electronic.items, _article_18, _consistent)
    advice: ClassVar[tuple[Rule, ...]] = (*Request.advice, electronic.time_ranges)

    subject_matter: Annotated[Line | None, conditional("Short title; if UNTOC is the primary basis", "UNTOC 18(15)(b)")] = None
    assistance_description: Annotated[
        Text | None, conditional("What is wanted beyond the items; if UNTOC is the primary basis", "UNTOC 18(15)(d)")
    ] = None
    use_limitation_ack: Annotated[
        Literal[True] | None, conditional("Limits of use are held; if UNTOC is the primary basis", "UNTOC 18(19)")
    ] = None
    handling_marking: Annotated[Marking | None, conditional("Handling; if UNTOC is the primary basis", "domain 7.3")] = None
    necessity: Annotated[Text, required("Why preservation is necessary", "Budapest 29(2)(e)")]
    intends_mla: Annotated[Literal[True], required("A request for assistance will follow", "Budapest 29(2)(f)")]
    mla_planned_date: Annotated[Day | None, practice("Day it is planned for", "T-CY(2018)11")] = None
    mla_sender: Annotated[Office | None, practice("Office that will send it", "domain 1.9.2 (mla_will_be_sent_by)")] = None
    items: Annotated[
        tuple[EvidenceItem, ...], required("Data to be preserved", "Budapest 29(2)(c)", min_length=1, max_length=1000)
    ]
    preserve_days_wanted: Annotated[int | None, optional("Days wanted", "domain 1.9.2, 2.2.3", ge=1, le=3650)] = None
    traffic_path_wanted: Annotated[bool | None, optional("Disclose the traffic's path", "Budapest 30")] = None
    notify_user_prohibited: Annotated[bool | None, optional("The user must not be told", "UNCyber 42(3)(g)")] = None
    notify_user_prohibited_reason: Annotated[Text | None, optional("Why", "domain 1.9.2")] = None
    provider_contact_done: Annotated[
        ProviderContact | None, optional("Letter already sent to the provider", "domain 1.9.2")
    ] = None
    data_location_known: Annotated[bool | None, optional("Whether the data's place is known", "UNCyber 42(2)")] = None
    domestic_legal_basis: Annotated[Text | None, optional("Own law or order behind this", "T-CY(2018)10 box 11")] = None
    emergency: Annotated[bool | None, optional("Same as the level of urgency says", "domain 1.9.2")] = None


class OtherStateProvider(Block, frozen=True):
    """A provider in another State that was involved."""

    provider: Annotated[Line, required("Provider", "Budapest 30(1)")]
    state: Annotated[State, required("State", "Budapest 30(1)")]


class Redirection(Block, frozen=True):
    """Where the request went, or should go."""

    authority: Annotated[Line, required("Authority", "Budapest 27(9)(c)")]
    office: Annotated[Office | None, optional("Its office in this network", "domain 1.10")] = None
    state: Annotated[State | None, optional("State, if another", "domain 2.2.2")] = None
    sent_on: Annotated[bool, required("True if sent on, false if returned with this address", "domain 1.10")]


class ItemReply(Block, frozen=True):
    """What happened to one item."""

    item_no: Annotated[int, required("Number of the item in the request", "domain 1.9.2", ge=1, le=10_000)]
    result: Annotated[ItemResult, required("Result", "domain 1.9.2")]
    provider: Annotated[Line | None, conditional("Provider that preserves", "domain 1.9.2")] = None
    provider_ticket: Annotated[Line | None, optional("The provider's reference", "domain 1.9.2")] = None
    preserved_from: Annotated[
        Instant | None, conditional("Instant preservation took effect", "Budapest 29(7), domain 2.2.3")
    ] = None
    preserved_until: Annotated[Instant | None, conditional("Instant it ends", "Budapest 29(7), domain 2.2.3")] = None
    zone: Annotated[Zone | None, conditional("Zone in which days are counted", "domain 2.2.3")] = None
    other_state_provider: Annotated[OtherStateProvider | None, optional("Provider in another State", "Budapest 30(1)")] = None
    detail: Annotated[Text | None, optional("In words", "domain 2.2.6")] = None


_PRESERVED = (PreservationDecision.PRESERVED_FULL, PreservationDecision.PRESERVED_PARTIAL)


def _decision(form: Node, _: Declarations) -> Iterator[Problem]:
    """The decision says what the items say."""
    decision = form["decision"]
    results = [item["result"].text for item in form["items"].each()]
    kept = results.count(ItemResult.PRESERVED)
    agrees = {
        PreservationDecision.PRESERVED_FULL.value: kept > 0 and kept == len(results),
        PreservationDecision.PRESERVED_PARTIAL.value: 0 < kept < len(results),
    }.get(decision.text, kept == 0)
    if decision.here and not agrees:
        yield decision.wrong(Wrong.DECISION_ITEMS, "contradicts the results of the items")


def _item_replies(form: Node, _: Declarations) -> Iterator[Problem]:
    yield from shared_rules.used_once(item["item_no"] for item in form["items"].each())
    for item in form["items"].each():
        yield from shared_rules.not_after(item["preserved_from"], item["preserved_until"])
        kept = item["result"].text == ItemResult.PRESERVED
        for name in ("provider", "preserved_from", "preserved_until", "zone"):
            if kept and not item[name].here:
                yield item[name].wrong(Wrong.PRESERVED_DATES, "is required for a preserved item")
        for name in ("preserved_from", "preserved_until"):
            if item["result"].here and not kept and item[name].here:
                yield item[name].wrong(Wrong.PRESERVED_DATES, "stands at an item that is not preserved")


def _grounds(form: Node, declared: Declarations) -> Iterator[Problem]:
    """The closed list of Budapest 29(4)-(5). Dual criminality may not be demanded without the reservation (29(3)-(4))."""
    results = [item["result"].text for item in form["items"].each()]
    refused = form["decision"].text == PreservationDecision.REFUSED or ItemResult.REFUSED in results
    yield from shared_rules.refusal(form, refused, PRESERVATION_GROUNDS)
    for ground in form["grounds"].each():
        if ground.text == Ground.DUAL_CRIMINALITY_RESERVATION and not declared.dual_criminality_reservation:
            yield ground.wrong(
                Wrong.GROUND_RESERVATION, "needs the reservation of Budapest 29(4), which the State has not declared"
            )


def _next_step(form: Node, _: Declarations) -> Iterator[Problem]:
    results = {form["decision"].text, *(item["result"].text for item in form["items"].each())}
    if PreservationDecision.NEEDS_INFORMATION in results and not form["questions"].here:
        yield form["questions"].wrong(Wrong.QUESTIONS_MISSING, "is required where information is needed")
    if PreservationDecision.REDIRECTED in results and not form["redirected_to"].here:
        yield form["redirected_to"].wrong(Wrong.REDIRECT_MISSING, "is required where the request was redirected")
    risk = form["risks_29_6"]
    if risk.here and risk.value != Risk296.NONE and not form["risks_note"].here:
        yield form["risks_note"].wrong(Wrong.RISKS_NOTE, "is required where there is a risk (Budapest 29(6))")


def _reply_papers(form: Node, _: Declarations) -> Iterator[Problem]:
    yield from shared_rules.conditions(form["conditions"])
    yield from shared_rules.marking(form["handling_marking"])


class PreservationReply(Answer, frozen=True):
    """The reply to a request for preservation."""

    kind: ClassVar[str] = "PRESERVATION_REPLY"
    rules: ClassVar[tuple[Rule, ...]] = (_decision, _item_replies, _grounds, _next_step, _reply_papers)

    requested_reference: Annotated[Line, required("The requested side's file number", "domain 1.9.2")]
    decision: Annotated[PreservationDecision, required("Decision", "domain 1.9.2")]
    items: Annotated[tuple[ItemReply, ...], required("Result of each item", "domain 1.9.2", min_length=1, max_length=1000)]
    grounds: Annotated[tuple[Ground, ...], conditional("Grounds of refusal, of the closed list", "Budapest 29(4)-(5)")] = ()
    reasons: Annotated[Text | None, conditional("Reasons of refusal", "UNTOC 18(23)")] = None
    risks_29_6: Annotated[Risk296 | None, practice("Risk that the requester must know", "Budapest 29(6)")] = None
    risks_note: Annotated[Text | None, conditional("The risk in words, and any further one", "Budapest 29(6)")] = None
    user_notified: Annotated[bool | None, practice("Whether the user was told", "domain 1.9.2")] = None
    send_mla_to: Annotated[Office | None, practice("Office for the request to follow", "domain 1.9.2 (who_to_send_MLA_to)")] = (
        None
    )
    accepted_mla_languages: Annotated[tuple[Language, ...], optional("Languages accepted for it", "UNTOC 18(14)")] = ()
    questions: Annotated[tuple[Text, ...], conditional("What must be known first", "UNTOC 18(16)", max_length=64)] = ()
    reply_by: Annotated[Instant | None, optional("When an answer is wanted", "domain 2.3")] = None
    redirected_to: Annotated[Redirection | None, conditional("Where the request went", "Budapest 27(9)(c)")] = None
    conditions: Annotated[tuple[Condition, ...], optional("Conditions", "domain 1.9.2, 2.1.4", max_length=32)] = ()
    costs: Annotated[tuple[Cost, ...], optional("Costs", "domain 1.9.2, 2.1.5", max_length=16)] = ()
