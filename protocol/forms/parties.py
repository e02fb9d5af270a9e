"""Who: authorities by function, contact persons, the persons concerned."""

from __future__ import annotations

from typing import Annotated

from protocol.forms.codelists import FactOrAssessment, PersonRole, Sex
from protocol.forms.form import Block, optional, practice, required
from protocol.forms.scalars import Day, Email, Language, Line, Phone, State, Text, Token, Zone


class OriginatingAuthority(Block, frozen=True):
    """The authority that conducts the investigation, prosecution or proceeding."""

    name: Annotated[Line, required("Its name", "UNTOC 18(15)(b)")]
    functions: Annotated[Text, required("What it does in this matter", "UNTOC 18(15)(b)")]
    office_reference: Annotated[Line | None, optional("Its own file number", "T-CY(2018)11 box 7")] = None
    contact: Annotated[Line | None, optional("How to reach it", "T-CY(2018)11 box 7")] = None


class ContactPerson(Block, frozen=True):
    """A person who answers questions about this message."""

    name: Annotated[Line, required("Name", "T-CY(2018)11 box 5")]
    post: Annotated[Line, required("Post or function", "T-CY(2018)11 box 5")]
    phone: Annotated[Phone | None, practice("Telephone, E.164", "T-CY(2018)11 box 5")] = None
    mobile: Annotated[Phone | None, optional("Mobile telephone, E.164", "T-CY(2018)11 box 5")] = None
    email: Annotated[Email | None, practice("E-mail address", "T-CY(2018)11 box 5")] = None
    office_hours: Annotated[Line | None, optional("Office hours, local", "T-CY(2018)11 box 5")] = None
    time_zone: Annotated[Zone | None, practice("IANA time zone of the office", "T-CY(2018)11 box 5")] = None
    languages: Annotated[tuple[Language, ...], optional("Languages spoken", "domain 1.1")] = ()


class Approver(Block, frozen=True):
    """The senior officer who answers for calling this an emergency."""

    name: Annotated[Line, required("Name", "domain 1.3")]
    post: Annotated[Line, required("Post or function", "domain 1.3")]
    phone: Annotated[Phone | None, optional("Telephone, E.164", "domain 1.3")] = None


class IdDocument(Block, frozen=True):
    """An identity document of a person."""

    type: Annotated[Line, required("Kind of document, as passport", "UNTOC 18(15)(e)")]
    number: Annotated[Line, required("Its number", "UNTOC 18(15)(e)")]
    issuing_state: Annotated[State | None, optional("State that issued it", "UNTOC 18(15)(e)")] = None
    valid_until: Annotated[Day | None, optional("Last day of validity", "UNTOC 18(15)(e)")] = None


class Person(Block, frozen=True):
    """A person concerned: identity, location and nationality, where possible."""

    role: Annotated[PersonRole, required("Part in the matter", "UNTOC 18(15)(e), LED 2016/680 art. 6")]
    names: Annotated[tuple[Line, ...], required("Names, in each script known", "UNTOC 18(15)(e)", min_length=1, max_length=16)]
    aliases: Annotated[tuple[Line, ...], optional("Other names used", "UNTOC 18(15)(e)", max_length=64)] = ()
    sex: Annotated[Sex | None, optional("Sex, as in travel documents", "domain 1.1")] = None
    date_of_birth: Annotated[Day | None, optional("Day of birth", "UNTOC 18(15)(e)")] = None
    place_of_birth: Annotated[Line | None, optional("Place of birth", "UNTOC 18(15)(e)")] = None
    nationality: Annotated[tuple[State, ...], optional("Nationalities", "UNTOC 18(15)(e)", max_length=8)] = ()
    id_documents: Annotated[tuple[IdDocument, ...], optional("Identity documents", "domain 1.1", max_length=16)] = ()
    address: Annotated[Text | None, optional("Address", "UNTOC 18(15)(e)")] = None
    location: Annotated[Text | None, optional("Where the person is or may be", "UNTOC 18(15)(e)")] = None
    biometrics_refs: Annotated[
        tuple[Token, ...], optional("Attachments that hold biometrics", "domain 1.1", max_length=16)
    ] = ()
    fact_or_assessment: Annotated[FactOrAssessment | None, optional("Fact or assessment", "LED 2016/680 art. 7")] = None
