"""What things look like in JSON: ids in hex, times in RFC 3339 UTC, our offices as ``xa-ca/247``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from exchange.casework.cases import Case, Outcome
from exchange.casework.people import Person
from exchange.messages import SENT, Delivery, Message
from node.local.apikeys import ApiKey
from node.local.holding import receipt_view, submission_view
from node.local.instants import instant
from node.local.reasons import reason
from node.local.rooms import Rooms
from protocol.body import Letter
from protocol.delivery import State


def message_view(rooms: Rooms, message: Message) -> dict[str, Any]:
    """A message without its content."""
    sent = message.direction == SENT
    return {
        "message_id": message.message_id.hex(),
        "envelope_hash": message.hash.hex(),
        "direction": "out" if sent else "in",
        "sender": message.sender,
        "recipients": list(message.recipients),
        "lane": message.lane.name.lower(),
        "time": instant(message.time),
        "expires": instant(message.expires),
        "index": message.index,
        "submitted": submission_view(rooms, message),
        "conversation": None if message.conversation is None else message.conversation.hex(),
        "deliveries": [
            {
                "authority": each.authority, "state": each.state, "attempts": each.attempts, "last_code": each.last_code,
                **(reason(each.last_code, each.authority) if sent else {}),
                "due": instant(each.due),
                "receipt_index": _receipt_index(rooms, message, each.authority) if sent else message.index,
                **receipt_view(rooms, message, each),
                **(_progress(rooms, message, each) if sent else {}),
            }
            for each in message.deliveries
        ],
    }  # fmt: skip


def _progress(rooms: Rooms, message: Message, delivery: Delivery) -> dict[str, int]:
    """Bytes of attachments, as ciphertext: how many there are, and how many have gone to this recipient."""
    total, courier = sum(message.sizes), rooms.host.couriers.get(delivery.authority)
    sent = 0
    if delivery.state == State.DELIVERED:
        sent = total
    elif delivery.state == State.WANTED and courier is not None:
        sent = courier.sending.sent(message.hash, message.sizes)
    return {"bytes_sent": sent, "bytes_total": total}


def letter_view(authority: str, letter: Letter) -> dict[str, Any]:
    """What a letter says. ``authority``: the sender's."""
    return {
        "from": f"{authority}/{letter.from_office}",
        "to": [str(office) for office in letter.to],
        "kind": letter.kind,
        "form": json.loads(letter.form),
        "attachments": [
            {
                "part": number, "filename": each.filename, "media_type": each.media_type, "length": each.length,
                "sha256": each.digest.hex(), "role": each.role,
            }
            for number, each in enumerate(letter.attachments, 1)
        ],
        "conversation": letter.conversation.hex(),
        "sequence": letter.sequence,
        "answers": None if letter.answers is None else letter.answers.hex(),
    }  # fmt: skip


def case_view(case: Case, letter: Letter | None) -> dict[str, Any]:
    """A draft without its form. ``letter`` for kind and recipients, None once it was destroyed."""
    return {
        "draft_id": case.id.hex(),
        "state": case.state,
        "envelope_hash": case.envelope.hash.hex(),
        "from": case.office,
        "to": [str(office) for office in letter.to] if letter else list(case.envelope.recipients),
        "kind": letter.kind if letter else None,
        "lane": case.envelope.lane.name.lower(),
        "emergency": case.emergency,
        "actor": case.drafter.hex(),
        "created": instant(case.time),
        "expires": instant(case.expires),
        "decided": instant(case.decided),
        "decider": None if case.decider is None else case.decider.hex(),
        "reason": case.reason,
    }


def outcome_view(rooms: Rooms, outcome: Outcome) -> dict[str, Any]:
    """What became of a proposal, an approval or a rejection."""
    told: dict[str, Any] = {"state": outcome.state, "envelope_hash": outcome.hash.hex()}
    if outcome.draft_id is not None:
        told["draft_id"] = outcome.draft_id.hex()
    if outcome.index is not None:
        told |= {
            "state": "submitted", "message_id": outcome.message_id.hex(),
            "log": {"origin": rooms.exchange.log.origin, "index": outcome.index},
        }  # fmt: skip
    return {**told, "advice": [each.as_dict() for each in outcome.advice]}


def person_view(person: Person) -> dict[str, Any]:
    """An account with its name: for this node's own staff only."""
    return {
        "id": person.id.hex(),
        "name": person.name,
        "kind": person.kind,
        "active": person.active,
        "since": instant(person.since),
        "pseudonym": person.pseudonym.hex(),
        "roles": [{"office": office, "role": role} for office, role in sorted(person.roles)],
    }


def api_key_view(key: ApiKey) -> dict[str, Any]:
    """A key without its secret."""
    return {"id": key.id, "account": key.account.hex(), "offices": sorted(key.offices), "made": instant(key.made)}


def page(items: list[dict[str, Any]], following: str | None = None) -> Mapping[str, Any]:
    """A list, and where the next page begins."""
    return {"items": items, "next": following}


def _receipt_index(rooms: Rooms, message: Message, authority: str) -> int | None:
    """Where the receipt stands in the recipient's log."""
    query = "SELECT receipt_index FROM delivery WHERE message=(SELECT id FROM outgoing WHERE hash=?) AND recipient=?"
    row = rooms.exchange.store.reader().execute(query, (message.hash, authority)).fetchone()
    return None if row is None else row[0]
