"""The outbox over the local API: deliveries that are not finished or not delivered, why, who must act, and what an operator may do."""

from __future__ import annotations

from typing import Any, Final

from exchange import codes as exchange_codes
from exchange.log import Tx
from node.local.calls import Answer, Call, Route, parse_id
from node.local.instants import instant
from node.local.problems import CallError
from node.local.reasons import reason
from node.local.views import page
from protocol.delivery import Event
from protocol.entries import Lane
from protocol.errors import LocalError

_EVENTS: Final = {"hold": Event.HOLD, "retry": Event.RETRY, "reject": Event.REJECT}
_ACTS: Final = {Event.HOLD: "delivery.held", Event.RETRY: "delivery.retried", Event.REJECT: "delivery.rejected"}
_OPEN: Final = ("queued", "wanted", "held")
_STATES: Final = (*_OPEN, "undelivered", "refused", "rejected")
_QUERY: Final = (
    "SELECT o.message_id, d.recipient, d.lane, d.state, d.attempts, d.last_code, d.due, d.expires, o.time FROM"
    " (SELECT * FROM delivery d WHERE ORDER BY lane DESC, due, id LIMIT 1000) d JOIN outgoing o ON o.id=d.message"
    " ORDER BY d.lane DESC, d.due, d.id"
)
_LANES: Final = {lane.name.lower(): int(lane) for lane in Lane}


def list_open(call: Call) -> Answer:
    """GET /v1/outbox: deliveries that are queued, wanted or held; ``state``, ``recipient`` and ``lane`` narrow them."""
    where, values = _filter(call)
    query = _QUERY.replace("WHERE", f"WHERE {where}")
    rows = call.rooms.exchange.store.reader().execute(query, values).fetchall()
    return Answer(page([_view(row) for row in rows]))


def _filter(call: Call) -> tuple[str, list[Any]]:
    """The condition of the query, of fixed words, and its values. Raises CALL-FORM."""
    states: tuple[str, ...] = _OPEN
    values: list[Any] = []
    wrong = []
    if "state" in call.query:
        states = (call.query["state"],)
        if states[0] not in _STATES:
            wrong.append({"loc": "/state", "msg": f"must be one of {', '.join(_STATES)}", "code": "RANGE"})
    where = f"d.state IN ({','.join('?' * len(states))})"
    values += states
    if "recipient" in call.query:
        where, values = f"{where} AND d.recipient=?", [*values, call.query["recipient"]]
    if "lane" in call.query:
        if call.query["lane"] not in _LANES:
            wrong.append({"loc": "/lane", "msg": "must be urgent or routine", "code": "RANGE"})
        where, values = f"{where} AND d.lane=?", [*values, _LANES.get(call.query["lane"], 0)]
    if wrong:
        raise CallError(wrong)
    return where, values


def _view(row: tuple[bytes, str, int, str, int, str, int, int, int]) -> dict[str, Any]:
    message_id, recipient, lane, state, attempts, code, due, expires, time = row
    return {
        "message_id": message_id.hex(), "recipient": recipient, "lane": Lane(lane).name.lower(), "state": state, "attempts": attempts,
        "last_code": code, **reason(code, recipient), "due": instant(due) if state in ("queued", "wanted") else None,
        "expires": instant(expires), "time": instant(time),
    }  # fmt: skip


def settle(call: Call) -> Answer:
    """POST /v1/outbox/{id}/{recipient}/{hold|retry|reject}: done and logged as an act of ``by``, or of the operator."""
    exchange, recipient = call.rooms.exchange, call.place["recipient"]
    message = exchange.messages.find(parse_id(call.place["id"], exchange_codes.MESSAGE_UNKNOWN))
    event = _EVENTS.get(call.place["action"])
    if event is None:
        raise LocalError(exchange_codes.DELIVERY_STATE, ", ".join(_EVENTS))
    actor, about = call.operator_or(call.query.get("by")), {"envelope": message.hash.hex(), "recipient": recipient}

    def log(tx: Tx) -> None:
        call.rooms.acts.append(tx, actor, _ACTS[event], about)

    state = exchange.deadletters.settle(message.hash, recipient, event, log)
    if event is Event.RETRY:
        exchange.outbox.on_queued(recipient, message.lane)
    return Answer({"message_id": message.message_id.hex(), "recipient": recipient, "state": state})


ROUTES: Final = (
    Route("GET", "/v1/outbox", list_open, frozenset({"limit", "cursor", "state", "recipient", "lane"}), socket=True),
    Route("POST", "/v1/outbox/{id}/{recipient}/{action}", settle, frozenset({"by"}), socket=True),
)
