"""The body: part 0, the private half of the envelope, with the form and the list of attachments.

    {0..6: network id, message id, sender, recipients, created, expires, lane   (copies of the envelope's fields),
     7: "247", 8: ["xb-ca/247"], 9: "EE_PRESERVE", 10: h'{"facts_summary": ...}', 11: [attachment...],
     12: conversation (message id of its first message), 13: sequence of this sender in it, 14: message id answered}

Key 14 is absent when nothing is answered. Texts are NFC. (SPEC.md section 3.7)
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import cast

from protocol import cbor, codes, limits, names
from protocol.envelope import Envelope
from protocol.errors import ProtocolError


@dataclass(frozen=True, slots=True)
class Attachment:
    """Part i, from 1 on, in order: what it is, how long (bytes of plaintext), SHA-256 of the plaintext, its role in the form."""

    media_type: str
    filename: str
    length: int
    digest: bytes
    role: str


@dataclass(frozen=True, slots=True)
class Letter:
    """What the parties say to each other; the copies of the envelope's fields are added and checked by encode and parse."""

    from_office: str
    to: tuple[names.Office, ...]
    kind: str
    form: bytes
    attachments: tuple[Attachment, ...]
    conversation: bytes
    sequence: int
    answers: bytes | None = None


@dataclass(frozen=True, slots=True)
class Addressing:
    """The envelope's fields that the body repeats."""

    network_id: bytes
    message_id: bytes
    sender: str
    recipients: tuple[str, ...]
    created: int
    expires: int
    lane: int

    @classmethod
    def of(cls, envelope: Envelope) -> Addressing:
        """Those of this envelope."""
        e = envelope
        return cls(e.network_id, e.message_id, e.sender, e.recipients, e.created, e.expires, int(e.lane))


def encode_body(addressing: Addressing, letter: Letter) -> bytes:
    """Part 0's plaintext. Raises BODY-FORM when the recipient would not take it."""
    a = addressing
    table: dict[int, cbor.Value] = {
        0: a.network_id, 1: a.message_id, 2: a.sender, 3: list(a.recipients), 4: a.created, 5: a.expires, 6: a.lane,
        7: letter.from_office, 8: [str(office) for office in letter.to], 9: letter.kind, 10: letter.form,
        11: [[f.media_type, f.filename, f.length, f.digest, f.role] for f in letter.attachments],
        12: letter.conversation, 13: letter.sequence,
    }  # fmt: skip
    if letter.answers is not None:
        table[14] = letter.answers
    try:
        raw = cbor.encode(table)
    except ValueError:  # U+0000, half a character, a number beyond 64 bits
        raise _form("a value that cannot be written") from None
    _check(addressing, 1 + len(letter.attachments), len(raw), table)
    return raw


def parse_body(addressing: Addressing, parts: int, raw: bytes) -> Letter:
    """The letter in these bytes, whose envelope has so many parts. Raises BODY-FORM, BODY-COPIES. (Check 13)"""
    try:
        table = cbor.decode(raw) if len(raw) <= limits.BODY else None
    except ProtocolError as error:
        raise _form(error.detail) from None
    return _check(addressing, parts, len(raw), table)


def _check(addressing: Addressing, parts: int, size: int, table: object) -> Letter:
    """The letter in this table, whose encoding has so many bytes."""
    if size > limits.BODY:
        raise _form("size")
    if type(table) is not dict or list(table) not in (list(range(14)), list(range(15))):
        raise _form("keys")
    table = cast("dict[int, cbor.Value]", table)
    a = addressing
    copies = [a.network_id, a.message_id, a.sender, list(a.recipients), a.created, a.expires, a.lane]
    if [table[key] for key in range(7)] != copies or any(type(table[key]) is bool for key in (4, 5, 6)):
        raise ProtocolError(codes.BODY_COPIES)
    letter = Letter(
        from_office=_text(table[7], 64),
        to=_offices(table[8], a.recipients),
        kind=_text(table[9], 64),
        form=_bytes(table[10], None),
        attachments=_attachments(table[11]),
        conversation=_bytes(table[12], 16),
        sequence=_uint(table[13]),
        answers=_bytes(table[14], 16) if 14 in table else None,
    )
    _office(f"{a.sender}/{letter.from_office}")
    if len(letter.attachments) != parts - 1:
        raise _form("attachments")
    return letter


def _form(field: str) -> ProtocolError:
    return ProtocolError(codes.BODY_FORM, field)


def _uint(value: cbor.Value) -> int:
    if type(value) is not int or not 0 <= value < 2**63:
        raise _form("number")
    return value


def _bytes(value: cbor.Value, size: int | None) -> bytes:
    if type(value) is not bytes or (size is not None and len(value) != size):
        raise _form("bytes")
    return value


def _text(value: cbor.Value, longest: int) -> str:
    if type(value) is not str or not 0 < len(value) <= longest or not unicodedata.is_normalized("NFC", value):
        raise _form("text")
    return value


def _office(text: str) -> names.Office:
    try:
        return names.Office.parse(text)
    except ProtocolError:
        raise _form("an office's name") from None


def _offices(value: cbor.Value, recipients: tuple[str, ...]) -> tuple[names.Office, ...]:
    if type(value) is not list or not value:
        raise _form("offices")
    offices = tuple(_office(_text(item, 140)) for item in value)
    if len(set(offices)) != len(offices) or {office.authority for office in offices} != set(recipients):
        raise _form("offices of other authorities than the recipients")
    return offices


def _attachments(value: cbor.Value) -> tuple[Attachment, ...]:
    if type(value) is not list:
        raise _form("attachments")
    found = []
    for item in value:
        if type(item) is not list or len(item) != 5:
            raise _form("attachment")
        media_type, filename, length, digest, role = item
        found.append(
            Attachment(_text(media_type, 127), _text(filename, 255), _uint(length), _bytes(digest, 32), _text(role, 64))
        )
    return tuple(found)
