"""The common envelope of every request (domain 1.1), and what UNTOC 18(15) adds to it.

``Request`` holds what every kind needs. ``Article18`` holds four more that a request for mutual legal assistance must have
and that Budapest 29(2) does not ask of a preservation request (docs/decisions/0003). ``authenticity`` and the technical
receipts are not here: the transport adds them.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from protocol.forms import request_rules
from protocol.forms.codelists import (
    BasisRelation,
    Channel,
    ConfidentialityLevel,
    DeadlineKind,
    Instrument,
    OffenceCategory,
    OffenceDegree,
    OralChannel,
    ProceedingStage,
    Relation,
    Transnational,
    UndertakingKind,
    UntocScope,
    UrgencyLevel,
)
from protocol.forms.form import Block, Form, Rule, conditional, optional, practice, required
from protocol.forms.papers import Attachment, Marking, Translation
from protocol.forms.parties import Approver, ContactPerson, OriginatingAuthority, Person
from protocol.forms.scalars import Instant, Language, Line, NotifySubject, Office, Text, Uuid


class Related(Block, frozen=True):
    """Another request, by our id or by an outside reference."""

    request_id: Annotated[Uuid | None, conditional("Its id in this system", "T-CY(2018)11 box 3")] = None
    external_ref: Annotated[Line | None, conditional("Its reference elsewhere", "T-CY(2018)10 boxes 9-10")] = None
    relation: Annotated[Relation, required("How this request relates to it", "domain 1.1")]


class LegalBasis(Block, frozen=True):
    """An instrument relied on."""

    instrument: Annotated[Instrument, required("Instrument", "domain 1.1, 4.2")]
    article: Annotated[Line, required("Article, as 18(3)(i)", "domain 1.1")]
    relation: Annotated[BasisRelation, required("How it is relied on", "domain 1.1")]
    title: Annotated[Line | None, conditional("Title of a bilateral or regional treaty, or of the law", "domain 4.2")] = None


class Offence(Block, frozen=True):
    """An offence under investigation."""

    label: Annotated[Line, required("Short name", "domain 1.1")]
    provision: Annotated[Text, required("Domestic provision, text or citation", "domain 1.1, Budapest 29(2)(b)")]
    max_penalty_months: Annotated[int | None, conditional("Maximum penalty in months", "UNTOC 2(b)", ge=0, le=1200)] = None
    max_penalty_life: Annotated[bool | None, conditional("True when the maximum is life; then no months", "UNTOC 2(b)")] = None
    category: Annotated[OffenceCategory, required("Category", "UNTOC 3(1), domain 1.2")]
    degree: Annotated[OffenceDegree | None, optional("Completed or attempt", "domain 1.1")] = None


class UntocGate(Block, frozen=True):
    """Why UNTOC covers the offence. Reasonable grounds to suspect are enough for assistance (18(1))."""

    offence_scope: Annotated[tuple[UntocScope, ...], required("Offences covered", "UNTOC 3(1)", min_length=1)]
    transnational: Annotated[tuple[Transnational, ...], practice("Why transnational", "UNTOC 3(2), 18(1)")] = ()
    group_description: Annotated[Text | None, practice("The organized criminal group", "UNTOC 2(a)")] = None
    members_estimated: Annotated[int | None, optional("Members, estimated", "UNTOC 2(a)", ge=1, le=1_000_000)] = None
    benefit: Annotated[Line | None, optional("Financial or other material benefit", "UNTOC 2(a)")] = None


class Urgency(Block, frozen=True):
    """How urgent, and why."""

    level: Annotated[UrgencyLevel, required("Level", "domain 1.3")]
    reason: Annotated[Text | None, conditional("Reason; for URGENT", "UNTOC 18(13)-(14), Budapest 25(3)")] = None
    emergency_facts: Annotated[
        Text | None, conditional("Facts that show the emergency", "Second Additional Protocol 3, 9, 10")
    ] = None
    data_relation: Annotated[Text | None, conditional("How the data relate to it", "Second Additional Protocol 9(3)")] = None
    senior_approver: Annotated[Approver | None, conditional("Senior approver; for an emergency", "domain 1.3")] = None


class Confidentiality(Block, frozen=True):
    """Whether the fact and substance of the request are to be kept confidential."""

    level: Annotated[ConfidentialityLevel, required("Level", "UNTOC 18(20)")]
    reason: Annotated[Text | None, conditional("Reason, unless normal", "UNTOC 18(20)")] = None
    may_disclose_for_execution: Annotated[Text | None, optional("What execution may disclose", "UNTOC 18(20)")] = None


class Undertaking(Block, frozen=True):
    """A promise of the requesting State."""

    undertaking: Annotated[UndertakingKind, required("Which", "domain 1.1")]
    text: Annotated[Text, required("In words", "domain 1.1")]


class OralFirst(Block, frozen=True):
    """The request was made orally; this is the written confirmation, which must follow forthwith."""

    spoken_at: Annotated[Instant, required("When", "UNTOC 18(14)")]
    by: Annotated[Line, required("Who asked", "UNTOC 18(14)")]
    to: Annotated[Line, required("Who was asked", "UNTOC 18(14)")]
    channel: Annotated[OralChannel, required("How", "UNTOC 18(14)")]


class PriorContact(Block, frozen=True):
    """An earlier contact between police or liaison officers."""

    at: Annotated[Instant | None, optional("When", "domain 1.1")] = None
    authority: Annotated[Line, required("With whom", "domain 1.1")]
    summary: Annotated[Text, required("What came of it", "domain 1.1")]


class Article18(Block, frozen=True):
    """What UNTOC 18 and this system ask of every request for mutual legal assistance beyond ``Request``."""

    subject_matter: Annotated[Line, required("Short title", "UNTOC 18(15)(b)")]
    assistance_description: Annotated[Text, required("What is wanted, precisely", "UNTOC 18(15)(d)")]
    use_limitation_ack: Annotated[Literal[True], required("The requester holds to the limits of use", "UNTOC 18(19)")]
    handling_marking: Annotated[Marking, required("How this request is to be handled", "domain 7.3")]


class Request(Form, frozen=True):
    """The common envelope of every request."""

    kind_required: ClassVar[bool] = True
    rules: ClassVar[tuple[Rule, ...]] = request_rules.RULES
    advice: ClassVar[tuple[Rule, ...]] = request_rules.ADVICE

    request_id: Annotated[Uuid, required("UUID made by the requesting side, never used again", "domain 1.1")]
    requesting_reference: Annotated[Line, required("Own file number, quoted in all later messages", "domain 1.1")]
    requested_reference: Annotated[Line | None, conditional("Their file number, once they gave one", "domain 1.1")] = None
    related: Annotated[tuple[Related, ...], optional("Other requests", "T-CY(2018)11 box 3", max_length=64)] = ()
    requesting_authority: Annotated[Office, required("Office that makes the request", "UNTOC 18(15)(a), Budapest 29(2)(a)")]
    requested_authority: Annotated[Office, required("Office that is asked", "domain 1.1")]
    originating_authority: Annotated[OriginatingAuthority, required("Authority that conducts the matter", "UNTOC 18(15)(b)")]
    contact_person: Annotated[ContactPerson | None, practice("Whom to ask", "T-CY(2018)11 box 5")] = None
    alternate_confirmation_contact: Annotated[
        ContactPerson | None, optional("Who can confirm authenticity", "T-CY(2018)11 box 6")
    ] = None
    proceeding_stage: Annotated[ProceedingStage, required("Where the proceedings stand", "UNTOC 18(15)(b)")]
    legal_basis: Annotated[tuple[LegalBasis, ...], required("Instruments relied on", "domain 4.2", min_length=1, max_length=16)]
    offences: Annotated[
        tuple[Offence, ...], required("Offences", "UNTOC 18(15)(b), Budapest 29(2)(b)", min_length=1, max_length=64)
    ]
    untoc_gate: Annotated[UntocGate | None, conditional("Why UNTOC applies; if it is the primary basis", "UNTOC 3, 18(1)")] = (
        None
    )
    facts_summary: Annotated[Text, required("Who, what, when, where, how", "UNTOC 18(15)(c), Budapest 29(2)(b)")]
    procedures_requested: Annotated[Text | None, optional("Procedure to be followed", "UNTOC 18(15)(d), 18(17)")] = None
    persons: Annotated[
        tuple[Person, ...], practice("Persons concerned, where possible", "UNTOC 18(15)(e)", max_length=256)
    ] = ()
    purpose: Annotated[Text, required("What the evidence, information or action is for", "UNTOC 18(15)(f)")]
    urgency: Annotated[Urgency, required("How urgent", "domain 1.3, UNTOC 18(13), (24)")]
    deadline_suggested: Annotated[Instant | None, optional("Suggested deadline", "UNTOC 18(24)")] = None
    deadline_reasons: Annotated[Text | None, conditional("Its reasons, if there is one", "UNTOC 18(24)")] = None
    deadline_kind: Annotated[DeadlineKind | None, optional("What stands behind it", "UNTOC 18(24)")] = None
    confidentiality: Annotated[Confidentiality, required("Confidentiality", "UNTOC 18(20)")]
    notify_subject: Annotated[
        NotifySubject | None,
        conditional("Whether the user may be told; for electronic evidence", "UNCyber 42(3)(g), EU 2023/1543 art. 13"),
    ] = None
    reciprocity_assurance: Annotated[Text | None, conditional("Assurance of reciprocity, without a treaty", "domain 1.1")] = (
        None
    )
    undertakings: Annotated[tuple[Undertaking, ...], optional("Promises", "domain 1.1", max_length=16)] = ()
    language: Annotated[Language, required("Language of the authentic text", "UNTOC 18(14)")]
    translations: Annotated[
        tuple[Translation, ...], conditional("Translations, if that language is not accepted", "UNTOC 18(14)")
    ] = ()
    attachments: Annotated[tuple[Attachment, ...], optional("Files", "domain 1.6", max_length=511)] = ()
    oral_first: Annotated[OralFirst | None, conditional("If this confirms an oral request", "UNTOC 18(14)")] = None
    channel_required: Annotated[Channel | None, optional("Channel insisted on", "UNTOC 18(13)")] = None
    cost_note: Annotated[Text | None, optional("Extraordinary cost and who pays", "UNTOC 18(28)")] = None
    prior_contacts: Annotated[tuple[PriorContact, ...], practice("Earlier police or liaison contacts", "domain 1.1")] = ()
    data_protection_note: Annotated[Text | None, optional("Sensitive data in the request", "domain 7.2")] = None
