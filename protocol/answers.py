"""What the sender checks of an answer, A2 to A6; A1 is the connection's, A7 the outbox's transaction. (SPEC.md section 4.2)"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from protocol import codes, merkle
from protocol.entries import Consigned, Place, Refused, parse_entry
from protocol.errors import ProtocolError
from protocol.pouch import Receipt


@dataclass(frozen=True, slots=True)
class Sent:
    """What we know of an envelope that was offered to this recipient; ``receipt`` is the entry it gave before, if any."""

    envelope_hash: bytes
    message_id: bytes
    sender: str
    receipt: bytes | None = None


def check_receipt(
    answer: Receipt, tree: merkle.Tree, sent: Sent, is_ours: Callable[[Place], bool]
) -> Consigned | Refused:
    """The receipt in an answer; ``tree`` is that of its head (already judged: A2). ``is_ours``: whether we signed that head of our log.

    Raises ANSWER-INCLUSION, -KIND (A3), -ENVELOPE (A4), -SENDER, -PLACE (A5), -CHANGED (A6).
    """
    proven = answer.proven
    try:
        tree.check(merkle.leaf_hash(proven.entry), proven.index, proven.path)
    except ProtocolError as error:
        raise ProtocolError(codes.ANSWER_INCLUSION, error.detail) from None
    entry = parse_entry(proven.entry)
    if not isinstance(entry, Consigned | Refused):
        raise ProtocolError(codes.ANSWER_KIND, type(entry).__name__.lower())
    if entry.envelope_hash != sent.envelope_hash or entry.message_id != sent.message_id:
        raise ProtocolError(codes.ANSWER_ENVELOPE)
    if entry.sender != sent.sender:
        raise ProtocolError(codes.ANSWER_SENDER)
    if not is_ours(entry.place):
        raise ProtocolError(codes.ANSWER_PLACE, f"size {entry.place.size}")
    if sent.receipt is not None and sent.receipt != proven.entry:
        raise ProtocolError(codes.ANSWER_CHANGED)
    return entry
