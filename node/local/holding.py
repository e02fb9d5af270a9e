"""What we hold of a message, for the local API: the grade of each proof, and the times between which its entry was first shown."""

from __future__ import annotations

from typing import Any

from exchange.export.holdings import Held
from exchange.messages import SENT, Delivery, Message
from node.local.instants import instant
from node.local.rooms import Rooms
from protocol import limits
from protocol.entries import parse_entry
from protocol.grades import outside


def submission_view(rooms: Rooms, message: Message) -> dict[str, Any]:
    """The sender's ``submitted``."""
    holdings, db = rooms.exchange.holdings, rooms.exchange.store.reader()
    if message.direction == SENT:
        return _view(holdings.ours(message.n, message.index), message.time)
    row = db.execute("SELECT origin_entry FROM incoming WHERE hash=?", (message.hash,)).fetchone()
    return _view(holdings.submission(message.hash), parse_entry(bytes(row[0])).time)


def receipt_view(rooms: Rooms, message: Message, delivery: Delivery) -> dict[str, Any]:
    """The recipient's answer; ``grade`` is None before there is one. ``prekey``: logged, when no witnessed head held the key used."""
    holdings, db = rooms.exchange.holdings, rooms.exchange.store.reader()
    if message.direction != SENT:
        return _view(None if message.index is None else holdings.ours(message.n, message.index), message.time)
    query = "SELECT receipt FROM delivery WHERE message=(SELECT id FROM outgoing WHERE hash=?) AND recipient=?"
    raw = db.execute(query, (message.hash, delivery.authority)).fetchone()[0]
    logged = "SELECT 1 FROM logged_prekey WHERE hash=? AND recipient=?"
    marked = db.execute(logged, (message.hash, delivery.authority)).fetchone() is not None
    held = holdings.receipt(message.hash, delivery.authority)
    return {**_view(held, 0 if raw is None else parse_entry(bytes(raw)).time), **({"prekey": "logged"} if marked else {})}


def _view(held: Held | None, claimed: int) -> dict[str, Any]:
    if held is None:
        return {"grade": None}
    view: dict[str, Any] = {"grade": held.grade, "claimed": instant(claimed)}
    if held.not_after:
        view["not_after"] = instant(held.not_after * limits.SECOND)
    if held.not_before:
        view["not_before"] = instant(held.not_before * limits.SECOND)
    if outside(claimed, held.not_before, held.not_after):
        view["claim_outside"] = True
    return view
