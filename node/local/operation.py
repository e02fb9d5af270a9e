"""Operation over the local API: the forms there are, how the node is, its log and its backups."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import Field

from exchange import codes as exchange_codes
from exchange.exchange import Exchange
from keys.directory.view import Directory
from node.backups import make_backup
from node.inspecting import inspect_home, told
from node.local.calls import Answer, Body, Call, Route
from node.local.doctor import examine
from node.local.instants import instant
from node.local.problems import CallError
from node.local.views import page
from protocol.errors import LocalError
from protocol.forms.registry import KINDS, json_schema


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
                "held": "" if exchange.log.hold is None else exchange.log.hold.code,
            },
            "witnessed": _witnessed(exchange, view),
            "queues": {**{name: count.get(name, 0) for name in ("queued", "wanted", "held")}, "drafts": drafts},
            "peers": [_peer(name, courier.contacts, waiting) for name, courier in sorted(rooms.host.couriers.items())],
        }
    )  # fmt: skip


def _witnessed(exchange: Exchange, view: Directory) -> dict[str, Any]:
    """How far our log is witnessed, and who has not signed the newest head yet; logs of others that have signed two histories."""
    record, newest = view.log(exchange.log.origin), exchange.heads.newest(exchange.log.origin)
    return {
        "size": 0 if newest is None else newest.size, "quorum": record.quorum, "witnesses": list(record.witnesses),
        "pending": [{"authority": name, "code": code} for name, code in sorted(exchange.heads.pending().items())],
        "forked": sorted(exchange.peers.forks()),
    }  # fmt: skip


class LogOrder(Body):
    """Where to write a log; ``n``: which of ours, the one in force when left out; ``messages``: with the proofs of all its messages."""

    out: Annotated[str, Field(min_length=1, max_length=4096)]
    n: Annotated[int | None, Field(ge=1, le=1 << 31)] = None
    messages: bool = False


def export_log(call: Call) -> Answer:
    """POST /v1/log/export: our whole log as C2SP tiles in a folder of this host. It holds no content."""
    order = call.parsed(LogOrder)
    out = Path(order.out)
    if not out.is_absolute():
        raise CallError([{"loc": "/out", "msg": "must be absolute", "code": "FORMAT"}])
    rooms = call.rooms
    size = rooms.exporter.export_log(out, order.n, messages=order.messages)
    return Answer({"origin": rooms.exchange.log.numbered(order.n or rooms.exchange.log.n).origin, "size": size, "out": str(out)})


def inspection(call: Call) -> Answer:
    """GET /v1/inspection: everything stored compared with the log, its heads and the guard."""
    host = call.rooms.host
    notes = inspect_home(host.home, host.settings, host.directory(), host.storage, call.rooms.exchange.guard.value)
    return Answer(told(notes))


class BackupOrder(Body):
    """Where to."""

    out: Annotated[str, Field(min_length=1, max_length=4096)]


def back_up(call: Call) -> Answer:
    """POST /v1/backup: a whole backup of this home into a folder of this host, sealed; what is there already is not copied again."""
    order, host = call.parsed(BackupOrder), call.rooms.host
    out = Path(order.out)
    if not out.is_absolute():
        raise CallError([{"loc": "/out", "msg": "must be absolute", "code": "FORMAT"}])
    network = host.directory().network
    made = make_backup(host.home, call.rooms.exchange.us, network, host.storage, out, call.rooms.clock.now())
    return Answer({**asdict(made), "damaged": list(made.damaged)})


class OpenOrder(Body):
    """Who vouches for this data."""

    actor: Annotated[str, Field(min_length=1, max_length=64)]


def open_log(call: Call) -> Answer:
    """POST /v1/log/open: open a log that is alone, in the name of this person; it is logged."""
    rooms, exchange = call.rooms, call.rooms.exchange
    person = call.actor(call.parsed(OpenOrder).actor)
    if exchange.log.hold is not exchange_codes.LOG_ALONE:
        raise LocalError(exchange_codes.LOG_NOT_ALONE)
    exchange.release(lambda tx: rooms.acts.append(tx, person.id, "log.opened", {"origin": exchange.log.origin}))
    return Answer({"origin": exchange.log.origin, "size": exchange.log.size})


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
    Route("GET", "/v1/forms", list_forms, frozenset({"limit", "cursor"})),
    Route("GET", "/v1/forms/{kind}/schema", schema),
    Route("GET", "/v1/status", status),
    Route("GET", "/v1/doctor", doctor, socket=True),
    Route("POST", "/v1/log/export", export_log, socket=True),
    Route("GET", "/v1/inspection", inspection, socket=True),
    Route("POST", "/v1/backup", back_up, socket=True),
    Route("POST", "/v1/log/open", open_log, socket=True),
)
