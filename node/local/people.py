"""People, roles and API keys over the socket. The operator acts where nobody else is named; every change is an act in the log."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field

from exchange import codes as exchange_codes
from exchange.casework.people import PersonKind, parse_office, parse_role
from exchange.log import Tx
from node.local.calls import Answer, Body, Call, Route, parse_id
from node.local.views import api_key_view, page, person_view


class NewPerson(Body):
    """Somebody, or a system."""

    name: Annotated[str, Field(max_length=400)]
    kind: Literal["officer", "system"] = "officer"
    by: str | None = None


class Grant(Body):
    """A role in an office."""

    office: Annotated[str, Field(max_length=140)]
    role: Annotated[str, Field(max_length=40)]
    by: str | None = None


class NewKey(Body):
    """An API key for a system account."""

    account: str
    offices: Annotated[list[str], Field(min_length=1, max_length=64)]
    by: str | None = None


def list_people(call: Call) -> Answer:
    """GET /v1/people."""
    return Answer(page([person_view(person) for person in call.rooms.people.list()]))


def add(call: Call) -> Answer:
    """POST /v1/people: an officer, or a system that will have an API key."""
    wanted = call.parsed(NewPerson)
    people, by = call.rooms.people, call.operator_or(wanted.by)

    def keep(tx: Tx, person: bytes) -> None:
        call.remember(tx, Answer({"id": person.hex(), "kind": wanted.kind, "active": True, "roles": []}, 201))

    return Answer(person_view(people.add(wanted.name, PersonKind(wanted.kind), by, keep)), 201)


def show(call: Call) -> Answer:
    """GET /v1/people/{id}: by id, or by any pseudonym that stands in the log."""
    return Answer(person_view(call.rooms.people.get(_person(call))))


def deactivate(call: Call) -> Answer:
    """DELETE /v1/people/{id}: ends the account and its roles; its past stays."""
    return Answer(person_view(call.rooms.people.deactivate(_person(call), call.operator_or(call.query.get("by")))))


def grant(call: Call) -> Answer:
    """POST /v1/people/{id}/roles."""
    wanted = call.parsed(Grant)
    office, role = parse_office(wanted.office), parse_role(wanted.role)
    return Answer(person_view(call.rooms.people.grant(_person(call), office, role, call.operator_or(wanted.by))))


def revoke(call: Call) -> Answer:
    """DELETE /v1/people/{id}/roles?office=...&role=..."""
    office, role = parse_office(call.query.get("office", "")), parse_role(call.query.get("role", ""))
    return Answer(person_view(call.rooms.people.revoke(_person(call), office, role, call.operator_or(call.query.get("by")))))


def list_keys(call: Call) -> Answer:
    """GET /v1/api-keys: without their secrets."""
    return Answer(page([api_key_view(key) for key in call.rooms.api_keys.list()]))


def make_key(call: Call) -> Answer:
    """POST /v1/api-keys: ``key`` is shown in this answer and never again."""
    wanted = call.parsed(NewKey)
    account = parse_id(wanted.account, exchange_codes.PERSON_UNKNOWN)
    key, text = call.rooms.api_keys.make(account, frozenset(wanted.offices), call.operator_or(wanted.by))
    return Answer({**api_key_view(key), "key": text}, 201)


def end_key(call: Call) -> Answer:
    """DELETE /v1/api-keys/{id}."""
    call.rooms.api_keys.end(call.place["id"], call.operator_or(call.query.get("by")))
    return Answer({"id": call.place["id"], "ended": True})


def _person(call: Call) -> bytes:
    return parse_id(call.place["id"], exchange_codes.PERSON_UNKNOWN)


_BY: Final = frozenset({"by"})

ROUTES: Final = (
    Route("GET", "/v1/people", list_people, frozenset({"limit", "cursor"}), socket=True),
    Route("POST", "/v1/people", add, socket=True, once=True),
    Route("GET", "/v1/people/{id}", show, socket=True),
    Route("DELETE", "/v1/people/{id}", deactivate, _BY, socket=True),
    Route("POST", "/v1/people/{id}/roles", grant, socket=True),
    Route("DELETE", "/v1/people/{id}/roles", revoke, _BY | {"office", "role"}, socket=True),
    Route("GET", "/v1/api-keys", list_keys, socket=True),
    Route("POST", "/v1/api-keys", make_key, socket=True),
    Route("DELETE", "/v1/api-keys/{id}", end_key, _BY, socket=True),
)
