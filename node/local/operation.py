"""Operation over the local API: open deliveries and what an operator may do with one; the forms there are; how the node is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import Field

from exchange import codes as exchange_codes
from node.local.calls import Answer, Body, Call, Route, parse_id
from node.local.doctor import examine
from node.local.problems import CallError
from node.local.views import instant, page
from protocol.delivery import Event
from protocol.errors import LocalError
from protocol.forms.registry import KINDS, json_schema

_EVENTS: Final = {"hold": Event.HOLD, "retry": Event.RETRY, "reject": Event.REJECT}


def list_open(call: Call) -> Answer:
    """GET /v1/outbox: every delivery that is queued, wanted or held."""
    query = (
        "SELECT o.message_id, d.recipient, d.lane, d.state, d.attempts, d.last_code, d.due, d.expires FROM delivery d"
        " JOIN outgoing o ON o.hash=d.hash WHERE d.state IN ('queued','wanted','held') ORDER BY d.due, d.id LIMIT 1000"
    )
    rows = call.rooms.exchange.store.reader().execute(query).fetchall()
    return Answer(
        page(
            [
                {
                    "message_id": r[0].hex(), "recipient": r[1], "lane": "urgent" if r[2] else "routine", "state": r[3],
                    "attempts": r[4], "last_code": r[5], "due": instant(r[6]), "expires": instant(r[7]),
                }
                for r in rows
            ]
        )
    )  # fmt: skip


def settle(call: Call) -> Answer:
    """POST /v1/outbox/{id}/{recipient}/{hold|retry|reject}."""
    exchange, recipient = call.rooms.exchange, call.place["recipient"]
    message = exchange.messages.find(parse_id(call.place["id"], exchange_codes.MESSAGE_UNKNOWN))
    event = _EVENTS.get(call.place["action"])
    if event is None:
        raise LocalError(exchange_codes.DELIVERY_STATE, ", ".join(_EVENTS))
    state = exchange.outbox.settle(message.hash, recipient, event)
    if event is Event.RETRY:
        exchange.outbox.on_queued(recipient, message.lane)
    return Answer({"message_id": message.message_id.hex(), "recipient": recipient, "state": state})


def list_forms(_: Call) -> Answer:
    """GET /v1/forms: the kinds, and what each requires."""
    return Answer(page([{"kind": kind, "required": json_schema(kind)["required"]} for kind in KINDS]))


def schema(call: Call) -> Answer:
    """GET /v1/forms/{kind}/schema: JSON Schema (2020-12)."""
    return Answer(json_schema(call.place["kind"]))


def status(call: Call) -> Answer:
    """GET /v1/status: log, directory, peers, queues. Numbers and public names only."""
    rooms = call.rooms
    exchange, view, now = rooms.exchange, rooms.host.directory(), rooms.clock.now()
    db = exchange.store.reader()
    count = dict(db.execute("SELECT state, count(*) FROM delivery WHERE state IN ('queued','wanted','held') GROUP BY state").fetchall())
    drafts = db.execute("SELECT count(*) FROM draft WHERE state='in_approval'").fetchone()[0]
    waiting = dict(
        db.execute("SELECT recipient, count(*) FROM delivery WHERE state IN ('queued','wanted') GROUP BY recipient").fetchall()
    )
    return Answer(
        {
            "authority": exchange.us,
            "time": instant(now),
            "clock_sure": rooms.clock.sure(),
            "network": {"name": view.network, "kind": view.kind, "id": view.network_id.hex()},
            "directory": {"version": view.version, "standing": view.standing(now), "expires": instant(view.expires)},
            "log": {
                "origin": exchange.log.origin, "size": exchange.log.size, "root": exchange.log.root.hex(),
                "time": instant(exchange.log.time), "stopped": exchange.log.stopped,
            },
            "queues": {**{name: count.get(name, 0) for name in ("queued", "wanted", "held")}, "drafts": drafts},
            "peers": [_peer(name, courier.contacts, waiting) for name, courier in sorted(rooms.host.couriers.items())],
        }
    )  # fmt: skip


class LogOrder(Body):
    """Where to write a log; ``n``: which of ours, the one in force when left out."""

    out: Annotated[str, Field(min_length=1, max_length=4096)]
    n: Annotated[int | None, Field(ge=1, le=1 << 31)] = None


def export_log(call: Call) -> Answer:
    """POST /v1/log/export: our whole log as C2SP tiles in a folder of this host. It holds no content."""
    order = call.parsed(LogOrder)
    out = Path(order.out)
    if not out.is_absolute():
        raise CallError([{"loc": "/out", "msg": "must be absolute", "code": "FORMAT"}])
    rooms = call.rooms
    size = rooms.exporter.export_log(out, order.n)
    return Answer({"origin": rooms.exchange.log.numbered(order.n or rooms.exchange.log.n).origin, "size": size, "out": str(out)})


def doctor(call: Call) -> Answer:
    """GET /v1/doctor: every check, and for each that fails what mends it."""
    checks = examine(call.rooms)
    return Answer({"ok": all(each.ok for each in checks), "checks": [each.as_dict() for each in checks]})


def _peer(name: str, contacts: Any, waiting: dict[str, int]) -> dict[str, Any]:
    return {
        "authority": name, "reached": instant(contacts.reached), "failed": instant(contacts.failed), "code": contacts.code,
        "pouches": contacts.pouches, "items": contacts.items, "waiting": waiting.get(name, 0),
    }  # fmt: skip


ROUTES: Final = (
    Route("GET", "/v1/outbox", list_open, frozenset({"limit", "cursor"}), socket=True),
    Route("POST", "/v1/outbox/{id}/{recipient}/{action}", settle, socket=True),
    Route("GET", "/v1/forms", list_forms, frozenset({"limit", "cursor"})),
    Route("GET", "/v1/forms/{kind}/schema", schema),
    Route("GET", "/v1/status", status),
    Route("GET", "/v1/doctor", doctor, socket=True),
    Route("POST", "/v1/log/export", export_log, socket=True),
)
