"""C2SP signed-note: a text and the lines of those who signed it.

    example.org/xa-ca/log/1
    20852163
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

    — example.org/xa-ca/log/1 Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=

Parsing checks the form only; nothing in a note counts before ``verify_note`` returned the lines that are good.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from protocol import codes, cosignature, limits
from protocol.canonical import from_base64
from protocol.errors import ProtocolError
from protocol.ports import Verifier
from protocol.vkey import ED25519, KEY_ID, Signature, VKey, is_key_name

__all__ = ["Note", "Signature", "VKey", "format_note", "parse_note", "verify_note"]

_PREFIX: Final = "\N{EM DASH} "
_CONTROL: Final = re.compile(rb"[\x00-\x09\x0b-\x1f]")


@dataclass(frozen=True, slots=True)
class Note:
    """A parsed note: its text with the final newline, and its signature lines, of which none has been checked."""

    text: bytes
    signatures: tuple[Signature, ...]


def parse_note(data: bytes) -> Note:
    """Parse a note. Raises NOTE-SIZE beyond the limits and NOTE-FORM for every other deviation from signed-note.

    There is one way to write a note: ``format_note(n.text, n.signatures) == data``.
    """
    if len(data) > limits.NOTE:
        raise ProtocolError(codes.NOTE_SIZE, f"{len(data)} bytes")
    end = data.rfind(b"\n\n") + 1
    lines = _text_lines(data)[data.count(b"\n", 0, end + 1) :]
    if not end or not lines:
        raise ProtocolError(codes.NOTE_FORM, "no blank line with signature lines after it")
    if len(lines) > limits.NOTE_SIGNATURES:
        raise ProtocolError(codes.NOTE_SIZE, f"{len(lines)} signature lines")
    return Note(data[:end], tuple(_parse_line(line) for line in lines))


def format_note(text: bytes, signatures: Iterable[Signature]) -> bytes:
    """A note of this text and these lines. Raises NOTE-FORM or NOTE-SIZE when the result would not parse back to them."""
    note = text + b"\n" + "".join(f"{line}\n" for line in signatures).encode()
    if parse_note(note).text != text:
        raise ProtocolError(codes.NOTE_FORM, "the text does not end where the note says")
    return note


def verify_note(note: Note, vkeys: Sequence[VKey], verifier: Verifier) -> tuple[Signature, ...]:
    """The lines of known keys, all of them good. Lines of unknown keys are ignored, even under a known name or id.

    Raises NOTE-SIGNATURE when a known key's line fails, NOTE-REPEATED for two lines of one key (NOTE-1), NOTE-TIME for a
    time of zero or beyond 2^63 - 1 (LOG-13), NOTE-UNSIGNED when no known key signed, NOTE-VKEY for two keys of one name and id.
    """
    known = {(key.name, key.key_id): key for key in vkeys}
    if len(known) != len(vkeys):
        raise ProtocolError(codes.NOTE_VKEY, "two of the known keys share a name and an id")
    lines = [line for line in note.signatures if (line.name, line.key_id) in known]
    if not lines:
        raise ProtocolError(codes.NOTE_UNSIGNED, f"{len(note.signatures)} lines by others")
    seen: set[tuple[str, bytes]] = set()
    for line in lines:
        who = line.name, line.key_id
        if who in seen:
            raise ProtocolError(codes.NOTE_REPEATED, line.name)
        seen.add(who)
        if not _is_good(known[who], line.blob, note.text, verifier):
            raise ProtocolError(codes.NOTE_SIGNATURE, line.name)
    return tuple(lines)


def _is_good(key: VKey, blob: bytes, text: bytes, verifier: Verifier) -> bool:
    if key.algorithm == ED25519:
        return verifier.verify_ed25519(key.public_key, blob, text)
    return cosignature.verify(key, blob, text, verifier)


def _text_lines(data: bytes) -> list[str]:
    """The lines of the whole note without their newlines; all of them checked for characters that may not be there."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise ProtocolError(codes.NOTE_FORM, "not UTF-8") from None
    if not text.endswith("\n"):
        raise ProtocolError(codes.NOTE_FORM, "no newline at the end")
    if _CONTROL.search(data):
        raise ProtocolError(codes.NOTE_FORM, "a control character")
    return text[:-1].split("\n")


def _parse_line(line: str) -> Signature:
    name, _, base64 = line.removeprefix(_PREFIX).partition(" ")
    if not line.startswith(_PREFIX) or not is_key_name(name):
        raise ProtocolError(codes.NOTE_FORM, "a signature line that is not an em dash, a key name and base64")
    content = from_base64(base64, codes.NOTE_FORM, "a signature line")
    if len(content) <= KEY_ID:
        raise ProtocolError(codes.NOTE_FORM, "a signature line without a signature")
    return Signature(name, content[:KEY_ID], content[KEY_ID:])
