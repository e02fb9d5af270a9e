"""A dossier: messages of one log in the order of their entries, with the other side's proofs; each head in it stands once.

    [0, note]                                                  a head that messages after it cite; numbered from 0 in its file
    [1, index, envelope, [[note, entry, index, path], ...]]    one message

A sequence of these rows, each after a big-endian u32 of its length, at most 256 messages in a file. ``index`` is that of our
entry about the message: ``submitted``, and the proofs are the recipients' receipts, ordered by authority; or ``consigned`` or
``refused``, and the only proof is the sender's ``submitted``. ``path`` is the hashes of the inclusion path in one string. Our own
entries need no proof here: the whole log lies beside. (docs/auditing.md)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple, TypeAlias

from protocol import cbor, codes, limits
from protocol.errors import ProtocolError
from protocol.merkle import HASH, MAX_SIZE
from protocol.tiles import tile_path

MESSAGES: Final = 256  # in one file
ROW: Final = limits.NOTE + limits.ENVELOPE + limits.RECIPIENTS * (limits.ENTRY + limits.PROOF_LINES * HASH + 64)  # bytes, at most


class Cited(NamedTuple):
    """An entry of the other side's log, its place and path there, and the number of the note with the head."""

    note: int
    entry: bytes
    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody needs here
    path: bytes

    def hashes(self) -> list[bytes]:
        """The path, hash by hash."""
        return [self.path[at : at + HASH] for at in range(0, len(self.path), HASH)]


class Shown(NamedTuple):
    """One message: where our entry about it stands, its envelope, and what the other side logged."""

    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody needs here
    envelope: bytes
    proofs: tuple[Cited, ...]


Row: TypeAlias = "bytes | Shown"


def dossier_path(number: int) -> str:
    """Where a file of messages lies: numbered as tiles are."""
    return "messages/" + tile_path(0, number).removeprefix("tile/0/")


def encode_row(row: Row) -> bytes:
    """A note or a message, with its length before it."""
    value: cbor.Value = [0, row] if isinstance(row, bytes) else [1, row.index, row.envelope, [list(cited) for cited in row.proofs]]
    raw = cbor.encode(value)
    return len(raw).to_bytes(4, "big") + raw


def read_rows(pieces: Iterable[bytes]) -> Iterator[Row]:
    """The rows of a file that comes piece by piece. Raises DOSSIER-FORM, CBOR-FORM."""
    waiting = b""
    for piece in pieces:
        waiting += piece
        at = 0
        while len(waiting) - at >= 4:
            length = int.from_bytes(waiting[at : at + 4], "big")
            if length > ROW:
                raise ProtocolError(codes.DOSSIER_FORM, f"a row of {length} bytes")
            end = at + 4 + length
            if end > len(waiting):
                break
            yield _parse(waiting[at + 4 : end])
            at = end
        waiting = waiting[at:]
    if waiting:
        raise ProtocolError(codes.DOSSIER_FORM, "the last row is cut short")


def _parse(raw: bytes) -> Row:
    match cbor.decode(raw):
        case [bool(), *_]:  # equal to 0 and 1 in Python, and written in other bytes
            raise ProtocolError(codes.DOSSIER_FORM, "the kind of a row")
        case [0, bytes(note)]:
            return note
        case [1, index, bytes(envelope), list(proofs)]:
            return Shown(_number(index), envelope, tuple(map(_cited, proofs)))
        case _:
            pass
    raise ProtocolError(codes.DOSSIER_FORM, "neither a note nor a message")


def _cited(value: cbor.Value) -> Cited:
    match value:
        case [note, bytes(entry), index, bytes(path)] if len(path) % HASH == 0 and len(path) <= limits.PROOF_LINES * HASH:
            return Cited(_number(note), entry, _number(index), path)
        case _:
            pass
    raise ProtocolError(codes.DOSSIER_FORM, "a proof")


def _number(value: cbor.Value) -> int:
    if type(value) is not int or not 0 <= value < MAX_SIZE:
        raise ProtocolError(codes.DOSSIER_FORM, "a number")
    return value
