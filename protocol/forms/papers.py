"""What goes with a message: attachments, translations, markings, conditions, costs, spans of time."""

from __future__ import annotations

from typing import Annotated

from protocol import limits
from protocol.forms.codelists import AttachmentRole, Classification, Tlp
from protocol.forms.codelists_evidence import ConditionKind
from protocol.forms.form import Block, conditional, optional, required
from protocol.forms.scalars import (
    Amount,
    Currency,
    FileName,
    Handling,
    Instant,
    Language,
    Line,
    MediaType,
    Office,
    Sha256,
    Sha512,
    Text,
    Token,
)


class Span(Block, frozen=True):
    """A span of time: ``from`` is not after ``to``."""

    from_: Annotated[Instant, required("First instant", "domain 1.9.1", alias="from")]
    to: Annotated[Instant, required("Last instant", "domain 1.9.1")]


class NationalLabel(Block, frozen=True):
    """A national classification and what it is equivalent to."""

    label: Annotated[Line, required("Label as printed", "domain 7.3")]
    equivalent: Annotated[Classification, required("Common equivalent", "domain 7.3")]


class Marking(Block, frozen=True):
    """How a message is to be handled: at least a classification or a TLP label."""

    confidentiality_request: Annotated[bool, required("Whether confidentiality is asked for", "UNTOC 18(20), domain 7.3")]
    classification: Annotated[NationalLabel | None, conditional("National classification", "domain 7.3")] = None
    tlp: Annotated[Tlp | None, conditional("TLP 2.0 label", "domain 7.3")] = None
    handling: Annotated[
        tuple[Handling, ...], optional("no_forward, no_print, eyes_only:<roles>", "domain 7.3", max_length=8)
    ] = ()
    release_to: Annotated[tuple[Office, ...], optional("Offices it may be released to", "domain 7.3", max_length=64)] = ()


class Attachment(Block, frozen=True):
    """A file that goes with the form, found again by its digest."""

    attachment_id: Annotated[Token, required("Id inside this form", "domain 1.6")]
    filename: Annotated[FileName, required("File name", "domain 1.6")]
    media_type: Annotated[MediaType, required("Media type", "domain 1.6")]
    size: Annotated[int, required("Bytes", "domain 1.6", ge=0, le=limits.PART)]
    sha256: Annotated[Sha256, required("SHA-256 of the file", "domain 1.6")]
    sha512: Annotated[Sha512 | None, optional("SHA-512 of the file", "domain 1.6")] = None
    role: Annotated[AttachmentRole, required("What it is", "domain 1.6")]
    language: Annotated[Language | None, optional("Language", "domain 1.6")] = None
    certified: Annotated[bool | None, optional("Whether it is certified", "domain 1.6")] = None
    pages: Annotated[int | None, optional("Pages", "domain 1.6", ge=1, le=1_000_000)] = None
    original_exists_on_paper: Annotated[bool | None, optional("Whether a paper original exists", "domain 1.6")] = None
    marking: Annotated[Marking | None, optional("Marking of its own", "domain 1.6, 7.3")] = None
    retention_class: Annotated[Token | None, optional("Retention class", "domain 1.6, 7.4")] = None


class Translation(Block, frozen=True):
    """A translation that goes with the form."""

    language: Annotated[Language, required("Language of the translation", "UNTOC 18(14)")]
    certified: Annotated[bool, required("Whether it is certified", "UNTOC 18(14)")]
    translator: Annotated[Line | None, optional("Translator", "domain 1.1")] = None
    certificate: Annotated[Token | None, conditional("Attachment with the certificate, if certified", "domain 1.1")] = None


class Condition(Block, frozen=True):
    """A condition on use; it travels with the evidence."""

    condition: Annotated[ConditionKind, required("Which condition", "domain 2.1.4, UNTOC 18(19)-(20)")]
    scope: Annotated[
        tuple[Token, ...], optional("Evidence ids or item numbers; none means all", "domain 2.1.4", max_length=512)
    ] = ()
    until: Annotated[Instant | None, conditional("Instant, for the conditions that name one", "domain 2.1.4")] = None
    text: Annotated[Text | None, optional("The condition in words", "domain 2.1.4")] = None
    accepted_by: Annotated[Line | None, optional("Who accepted it", "domain 2.1.4")] = None
    accepted_at: Annotated[Instant | None, optional("When it was accepted", "domain 2.1.4")] = None


class Cost(Block, frozen=True):
    """An extraordinary cost and who pays it."""

    estimate: Annotated[Amount, required("Estimated amount", "UNTOC 18(28), domain 2.1.5")]
    currency: Annotated[Currency, required("ISO 4217 code", "domain 2.1.5")]
    payer_proposal: Annotated[Line | None, optional("Who should pay", "UNTOC 18(28)")] = None
    agreed_by_both: Annotated[bool | None, optional("Whether both agreed", "domain 2.1.5")] = None
    invoice: Annotated[Token | None, optional("Attachment with the invoice", "domain 2.1.5")] = None
