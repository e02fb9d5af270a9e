"""Checks 14 and 15: disclosed parts are those that the envelope commits to, and fit the body when it is disclosed too.

disclosed/part-1         the plaintext
disclosed/part-1.json    {"part": 1, "media_type": "application/pdf", "opening": "<r_i, 32 bytes in hex>"}
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from exchange.auditor import codes
from exchange.auditor.folder import Folder
from exchange.auditor.manifest import Listed, read_json
from protocol import codes as refusals
from protocol.body import Addressing, Letter, parse_body
from protocol.envelope import Envelope
from protocol.errors import ProtocolError
from protocol.parts import BODY_MEDIA_TYPE, PartName, sealed_length

_NAME: Final = re.compile(r"disclosed/part-([0-9]+)(?:\.json)?\Z")
_HEX: Final = re.compile(r"[0-9a-f]{64}\Z")


@dataclass(frozen=True, slots=True)
class Disclosed:
    """A part whose commitment was checked: index, media type, length and SHA-256 of the plaintext, its name in the manifest."""

    part: int
    media_type: str
    length: int
    digest: bytes
    original: str | None


def disclosed_parts(folder: Folder) -> list[int]:
    """The indexes of the parts of which the folder holds a file, in order."""
    return sorted({int(found[1]) for name in folder.sizes if (found := _NAME.match(name))})


def check_disclosed(folder: Folder, part: int, envelope: Envelope, listed: Mapping[str, Listed]) -> tuple[Disclosed, str]:
    """Check 14: this plaintext of this media type is what the envelope commits to.

    Raises DISCLOSED-FORM, PART-LENGTH, PART-COMMITMENT.
    """
    name = f"disclosed/part-{part}"
    if part >= len(envelope.parts) or name not in folder.sizes or f"{name}.json" not in folder.sizes:
        raise ProtocolError(codes.DISCLOSED_FORM, f"part {part}")
    media_type, opening = _opening(folder.read(f"{name}.json"), part)
    head = envelope.parts[part]
    commitment = PartName(envelope.network_id, envelope.message_id, part).commitment(media_type, opening)
    digest = hashlib.sha256()
    length = 0
    for piece in folder.chunks(name):
        commitment.update(piece)
        digest.update(piece)
        length += len(piece)
    if sealed_length(length) != head.length:
        raise ProtocolError(refusals.PART_LENGTH, f"part {part}")
    if commitment.digest() != head.commitment:
        raise ProtocolError(refusals.PART_COMMITMENT, f"part {part}")
    original = listed[name].original if name in listed else None
    says = f"{media_type}, {length} bytes, as committed in the envelope"
    return Disclosed(part, media_type, length, digest.digest(), original), says


def check_letter(folder: Folder, body: Disclosed, envelope: Envelope) -> tuple[Letter, str]:
    """Check 15 for part 0: a body whose copies of the envelope's fields are equal. Raises BODY-*, DISCLOSED-BODY."""
    if body.media_type != BODY_MEDIA_TYPE or body.original is not None:
        raise ProtocolError(codes.DISCLOSED_BODY, "part 0 is not under the body's media type and name")
    letter = parse_body(Addressing.of(envelope), len(envelope.parts), folder.read("disclosed/part-0"))
    to = ", ".join(map(str, letter.to))
    return letter, f"{letter.kind} from {envelope.sender}/{letter.from_office} to {to}; copies equal the envelope"


def check_attachment(found: Disclosed, letter: Letter) -> tuple[bool, str]:
    """Check 15 for part i: type, length, digest and name are those in the body. Raises DISCLOSED-BODY."""
    described = letter.attachments[found.part - 1]
    for field, here, there in (
        ("media type", found.media_type, described.media_type),
        ("length", found.length, described.length),
        ("digest", found.digest, described.digest),
        ("name", found.original, described.filename),
    ):
        if here != there:
            raise ProtocolError(codes.DISCLOSED_BODY, f"{field} of part {found.part}")
    return True, f"is the {described.role} that the body describes"


def check_unnamed(found: Disclosed) -> tuple[bool, str]:
    """Check 15 without a disclosed body: nothing vouches for a name then, so none may stand there. Raises DISCLOSED-BODY."""
    if found.original is not None:
        raise ProtocolError(codes.DISCLOSED_BODY, f"part {found.part} has a name that no disclosed body vouches for")
    return True, "the body is not disclosed; what it calls this part is not shown"


def _opening(data: bytes, part: int) -> tuple[str, bytes]:
    try:
        value = read_json(data)
    except ProtocolError:
        raise ProtocolError(codes.DISCLOSED_FORM, f"part {part}: not JSON of our profile") from None
    media_type, opening = value.get("media_type"), value.get("opening")
    if set(value) != {"part", "media_type", "opening"} or type(value["part"]) is not int or value["part"] != part:
        raise ProtocolError(codes.DISCLOSED_FORM, f"part {part}: its fields")
    if not isinstance(media_type, str) or not isinstance(opening, str) or not _HEX.match(opening):
        raise ProtocolError(codes.DISCLOSED_FORM, f"part {part}: its fields")
    if not media_type or len(media_type) > 127 or not media_type.isprintable():
        raise ProtocolError(codes.DISCLOSED_FORM, f"part {part}: its media type")
    return media_type, bytes.fromhex(opening)
