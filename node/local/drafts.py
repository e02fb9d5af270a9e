"""Drafts over the local API: what waits for a second person. Only people decide, and they come over the socket."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import Field

from exchange import codes as exchange_codes
from exchange.casework.cases import Case, Outcome
from node import logs
from node.clock import monotonic_ms
from node.local.calls import Answer, Body, Call, Route, parse_id
from node.local.views import case_view, letter_view, outcome_view, page


class Decision(Body):
    """Who decides."""

    actor: str | None = None


class Rejection(Body):
    """Who rejects, and why."""

    actor: str | None = None
    reason: Annotated[str, Field(max_length=4000)]


def list_drafts(call: Call) -> Answer:
    """GET /v1/drafts: those that wait, oldest first; decided=1: the newest of the others. A system sees its offices'."""
    cases = call.rooms.cases
    cases.lapse()
    found = cases.list(decided=call.query.get("decided") == "1")
    key = call.caller.key
    return Answer(page([case_view(each, cases.about(each)) for each in found if key is None or each.office in key.offices]))


def read(call: Call) -> Answer:
    """GET /v1/drafts/{id}: with its form. Over the socket the operator reads, if nobody else is named; it is an act either way."""
    rooms = call.rooms
    case = _find(call)
    actor = call.operator_or(call.query.get("actor")) if call.caller.key is None else call.actor(call.query.get("actor")).id
    if rooms.cases.about(case) is None:
        return Answer(case_view(case, None))
    letter = rooms.cases.read(actor, case.id)
    return Answer({**letter_view(rooms.exchange.us, letter), **case_view(case, letter)})


def approve(call: Call) -> Answer:
    """POST /v1/drafts/{id}/approve: it is sent."""
    actor, started = call.actor(call.parsed(Decision).actor), monotonic_ms()
    outcome = call.rooms.cases.approve(
        actor.id, _find(call).id, lambda tx, done: call.remember(tx, _answer(call, done, 202))
    )  # fmt: skip
    logs.stage("approved", message_id=outcome.message_id, outcome=outcome.state, ms=monotonic_ms() - started)
    return _answer(call, outcome, 202)


def reject(call: Call) -> Answer:
    """POST /v1/drafts/{id}/reject: it is destroyed."""
    wanted, started = call.parsed(Rejection), monotonic_ms()
    actor = call.actor(wanted.actor)
    outcome = call.rooms.cases.reject(
        actor.id, _find(call).id, wanted.reason, lambda tx, done: call.remember(tx, _answer(call, done, 200))
    )  # fmt: skip
    logs.stage("rejected", message_id=outcome.message_id, outcome=outcome.state, ms=monotonic_ms() - started)
    return _answer(call, outcome, 200)


def _find(call: Call) -> Case:
    case = call.rooms.cases.find(parse_id(call.place["id"], exchange_codes.DRAFT_UNKNOWN))
    call.check_office(case.office)
    return case


def _answer(call: Call, outcome: Outcome, status: int) -> Answer:
    value: dict[str, Any] = outcome_view(call.rooms, outcome)
    return Answer(value, status)


ROUTES: Final = (
    Route("GET", "/v1/drafts", list_drafts, frozenset({"decided", "limit", "cursor"})),
    Route("GET", "/v1/drafts/{id}", read, frozenset({"actor"})),
    Route("POST", "/v1/drafts/{id}/approve", approve, socket=True, once=True),
    Route("POST", "/v1/drafts/{id}/reject", reject, socket=True, once=True),
)
