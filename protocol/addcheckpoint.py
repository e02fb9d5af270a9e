"""C2SP tlog-witness ``add-checkpoint``: a log shows its head to a witness, and gets the witness's signature lines.

    old 20852014                                       the size of the head that the witness has confirmed
    PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=        what links it to the new one, at most 63 hashes
    ...one hash per line
                                                       an empty line
    <the head, as in checkpoint.py>

The answer is signature lines: the head with them behind it is a note again. 409 answers with the size to link from.
"""

from __future__ import annotations

from typing import Final

from protocol import codes, limits
from protocol.canonical import decimal, from_base64, to_base64
from protocol.errors import ProtocolError
from protocol.merkle import HASH
from protocol.note import parse_note
from protocol.pouch import HeadOffer

REQUEST: Final = limits.NOTE + 4 * limits.KiB  # bytes
SIZE_TYPE: Final = "text/x.tlog.size"

_OLD: Final = "old "


def format_request(offer: HeadOffer) -> bytes:
    """The request's bytes."""
    lines = [f"{_OLD}{offer.old_size}", *map(to_base64, offer.proof), "", ""]
    return "\n".join(lines).encode() + offer.note


def parse_request(data: bytes) -> HeadOffer:
    """The head and its link, nothing checked but the form: ``format_request(parse_request(b)) == b``. Raises WITNESS-FORM."""
    above, blank, note = data.partition(b"\n\n")
    try:
        first, *hashes = above.decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise _form("a character outside ASCII before the head") from None
    if len(data) > REQUEST or not blank or not note or not first.startswith(_OLD):
        raise _form("no line with the old size, no empty line, or no head")
    if len(hashes) > limits.PROOF_LINES:
        raise _form(f"{len(hashes)} hashes")
    old = decimal(first.removeprefix(_OLD), codes.WITNESS_FORM, "the old size")
    proof = tuple(from_base64(line, codes.WITNESS_FORM, "a line of the proof") for line in hashes)
    if any(len(node) != HASH for node in proof):
        raise _form("a hash that has not 32 bytes")
    return HeadOffer(old, proof, note)


def format_size(size: int) -> bytes:
    """The body of a 409."""
    return b"%d\n" % size


def parse_size(data: bytes) -> int:
    """The size in the body of a 409. Raises WITNESS-FORM."""
    if not data.endswith(b"\n") or len(data) > 21 or not data.isascii():
        raise _form("the size in an answer")
    return decimal(data[:-1].decode(), codes.WITNESS_FORM, "the size in an answer")


def add_lines(note: bytes, lines: bytes) -> bytes:
    """The note with a witness's lines behind its own: nothing in them is checked but the form. Raises NOTE-FORM, NOTE-SIZE."""
    whole = note + lines
    if not lines or parse_note(whole).text != parse_note(note).text:
        raise ProtocolError(codes.NOTE_FORM, "not signature lines")
    return whole


def _form(detail: str) -> ProtocolError:
    return ProtocolError(codes.WITNESS_FORM, detail)
