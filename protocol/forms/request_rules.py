"""Rules of the common envelope about several fields (domain 1.1 to 1.3, 4), and its advice."""

from __future__ import annotations

from collections.abc import Iterator

from protocol.forms import shared_rules
from protocol.forms.codelists import (
    BasisRelation,
    ConfidentialityLevel,
    Instrument,
    OffenceCategory,
    Relation,
    UntocScope,
    UrgencyLevel,
)
from protocol.forms.form import AWAITED, Declarations
from protocol.forms.problems import Problem, Wrong
from protocol.forms.tree import Node

_SERIOUS_MONTHS = 48  # four years: UNTOC 2(b)
_TITLED = (Instrument.BILATERAL, Instrument.REGIONAL, Instrument.DOMESTIC_LAW)
_UNTREATIED = (BasisRelation.RECIPROCITY, BasisRelation.COMITY)


def relies_on(form: Node, instrument: Instrument, relation: BasisRelation | None = None) -> bool:
    """Whether the legal basis names an instrument (in this relation, if one is given)."""
    return any(
        basis["instrument"].text == instrument and (relation is None or basis["relation"].text == relation)
        for basis in form["legal_basis"].each()
    )


def is_emergency(form: Node) -> bool:
    """Whether the urgency is one of the emergency levels."""
    return form["urgency"]["level"].text in (UrgencyLevel.EMERGENCY_LIFE, UrgencyLevel.EMERGENCY_CI)


def _authorities(form: Node, _: Declarations) -> Iterator[Problem]:
    asked = form["requested_authority"]
    if asked.here and asked.value == form["requesting_authority"].value:
        yield asked.wrong(Wrong.SAME_AUTHORITY, "is the requesting authority itself")


def _related(form: Node, _: Declarations) -> Iterator[Problem]:
    for item in form["related"].each():
        if isinstance(item.value, dict) and item["request_id"].here == item["external_ref"].here:
            yield item.wrong(Wrong.RELATED_ONE, "needs either request_id or external_ref")
        if item["relation"].text == Relation.CONFIRMS_ORAL and not form["oral_first"].here:
            yield form["oral_first"].wrong(Wrong.ORAL_FIRST, "is required where an oral request is confirmed (UNTOC 18(14))")


def _basis(form: Node, declared: Declarations) -> Iterator[Problem]:
    bases = form["legal_basis"]
    relations = [basis["relation"].text for basis in bases.each()]
    if relations and all(relation == BasisRelation.SUPPLEMENTARY for relation in relations):
        yield bases.wrong(Wrong.BASIS_PRIMARY, "needs a primary instrument, reciprocity or comity")
    for basis in bases.each():
        name = basis["instrument"]
        if name.text in AWAITED and name.text not in declared.in_force:
            yield name.wrong(
                Wrong.NOT_IN_FORCE, f"{name.text} is not in force between these States; rely on another instrument"
            )
        if name.text in _TITLED and not basis["title"].here:
            yield basis["title"].wrong(Wrong.BASIS_TITLE, f"is required for {name.text}")


def _reciprocity(form: Node, _: Declarations) -> Iterator[Problem]:
    relations = [basis["relation"].text for basis in form["legal_basis"].each()]
    if relations and all(relation in _UNTREATIED for relation in relations) and not form["reciprocity_assurance"].here:
        yield form["reciprocity_assurance"].wrong(Wrong.RECIPROCITY, "is required where no treaty is relied on")


def _offences(form: Node, _: Declarations) -> Iterator[Problem]:
    untoc = relies_on(form, Instrument.UNTOC_2000)
    for offence in form["offences"].each():
        months, life = offence["max_penalty_months"], offence["max_penalty_life"].value is True
        if isinstance(offence.value, dict) and months.here == life:
            yield months.wrong(Wrong.PENALTY, "is required, or max_penalty_life true, and not both")
        short = months.number is not None and months.number < _SERIOUS_MONTHS and not life
        if untoc and short and offence["category"].text == OffenceCategory.SERIOUS_CRIME:
            yield months.wrong(
                Wrong.SERIOUS_CRIME, f"is below {_SERIOUS_MONTHS}: no serious crime, so UNTOC is no basis (2(b))"
            )


def _untoc(form: Node, _: Declarations) -> Iterator[Problem]:
    if not relies_on(form, Instrument.UNTOC_2000, BasisRelation.PRIMARY):
        return
    gate = form["untoc_gate"]
    if not gate.here:
        yield gate.wrong(Wrong.UNTOC_GATE, "is required where UNTOC is the primary basis (3(1), 18(1))")
    covered = {scope.value for scope in UntocScope}
    given = {offence["category"].text for offence in form["offences"].each()}
    if given and not given & covered:
        yield form["offences"].wrong(Wrong.UNTOC_SCOPE, "names no offence that UNTOC covers (3(1)); rely on another instrument")
    for scope in gate["offence_scope"].each():
        if scope.text in covered - given:
            yield scope.wrong(Wrong.UNTOC_SCOPE, "is the category of none of the offences")


def _deadline(form: Node, _: Declarations) -> Iterator[Problem]:
    date, reasons = form["deadline_suggested"], form["deadline_reasons"]
    if date.here and not reasons.here:
        yield reasons.wrong(Wrong.DEADLINE_REASONS, "is required where a deadline is suggested (UNTOC 18(24))")
    for other in (reasons, form["deadline_kind"]):
        if other.here and not date.here:
            yield date.wrong(Wrong.DEADLINE_DATE, f"is required where {other.loc[1:]} is given")


def _urgency(form: Node, _: Declarations) -> Iterator[Problem]:
    urgency = form["urgency"]
    level = urgency["level"].text
    if level == UrgencyLevel.PRIORITY and not form["deadline_suggested"].here:
        yield form["deadline_suggested"].wrong(Wrong.URGENCY_DATE, "is required at level PRIORITY (UNTOC 18(24))")
    if level == UrgencyLevel.URGENT and not urgency["reason"].here:
        yield urgency["reason"].wrong(Wrong.URGENCY_REASON, "is required at level URGENT")
    if is_emergency(form):
        for name in ("emergency_facts", "data_relation"):
            if not urgency[name].here:
                yield urgency[name].wrong(Wrong.EMERGENCY_FACTS, "is required in an emergency")
        if not urgency["senior_approver"].here:
            yield urgency["senior_approver"].wrong(Wrong.SENIOR_APPROVER, "is required in an emergency: a named senior officer")
    if level == UrgencyLevel.EMERGENCY_CI and not relies_on(form, Instrument.EU_2023_1543):
        yield urgency["level"].wrong(Wrong.EMERGENCY_EU, "exists only under EU 2023/1543 art. 3(18)")


def _confidentiality(form: Node, _: Declarations) -> Iterator[Problem]:
    asked = form["confidentiality"]
    if asked["level"].text == ConfidentialityLevel.KEEP_FACT_AND_SUBSTANCE and not asked["reason"].here:
        yield asked["reason"].wrong(Wrong.CONFIDENTIALITY_REASON, "is required where confidentiality is asked for")


def _language(form: Node, declared: Declarations) -> Iterator[Problem]:
    language, translations = form["language"], form["translations"]
    for item in translations.each():
        if item["language"].here and item["language"].value == language.value:
            yield item["language"].wrong(Wrong.TRANSLATION_SAME, "is the language of the authentic text")
        if item["certified"].value is True and not item["certificate"].here:
            yield item["certificate"].wrong(Wrong.TRANSLATION_CERTIFICATE, "is required for a certified translation")
    accepted = declared.accepted_languages
    offered = {language.text, *(item["language"].text for item in translations.each())}
    if accepted is not None and language.here and not offered & accepted:
        yield translations.wrong(Wrong.TRANSLATION_NEEDED, f"needs one of {', '.join(sorted(accepted))} (UNTOC 18(14))")


def _papers(form: Node, _: Declarations) -> Iterator[Problem]:
    yield from shared_rules.marking(form["handling_marking"])
    yield from shared_rules.attachments(form["attachments"])


def _routine_date(form: Node, _: Declarations) -> Iterator[Problem]:
    if form["urgency"]["level"].text == UrgencyLevel.ROUTINE and form["deadline_suggested"].here:
        yield form["deadline_suggested"].wrong(Wrong.ROUTINE_DATE, "stands at level ROUTINE; a reasoned deadline is PRIORITY")


def _untoc_thin(form: Node, _: Declarations) -> Iterator[Problem]:
    """Domain 1.2: a missing group or transnational element warns and proposes another basis."""
    if not relies_on(form, Instrument.UNTOC_2000, BasisRelation.PRIMARY):
        return
    gate = form["untoc_gate"]
    if not gate["transnational"].here:
        yield gate["transnational"].wrong(Wrong.UNTOC_TRANSNATIONAL, "is missing; think of a bilateral treaty or reciprocity")
    if not gate["group_description"].here:
        yield gate["group_description"].wrong(Wrong.UNTOC_GROUP, "is missing; think of a bilateral treaty or reciprocity")


RULES = (
    _authorities,
    _related,
    _basis,
    _reciprocity,
    _offences,
    _untoc,
    _deadline,
    _urgency,
    _confidentiality,
    _language,
    _papers,
)
ADVICE = (_routine_date, _untoc_thin)
