"""A call to the local API, as a handler sees it: who calls, what is asked, what is answered.

Handlers are plain functions that run on a thread: ``(rooms, call) -> Answer``. Streams (events, parts, uploads) are coroutines.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias, TypeVar

from aiohttp import web
from pydantic import BaseModel, ConfigDict, ValidationError

from exchange import codes as exchange_codes
from exchange.casework.once import Once
from exchange.casework.people import Person
from exchange.log import Tx
from node import codes
from node.local.apikeys import ApiKey
from node.local.problems import CallError
from node.local.rooms import Rooms
from protocol.errors import LocalError

M = TypeVar("M", bound=BaseModel)
PAGE: Final = 50
MOST: Final = 200


class Body(BaseModel):
    """A body: nothing unknown, nothing converted."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True)


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered: a JSON value with its status."""

    value: Mapping[str, Any]
    status: int = 200


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: over the socket (no key: the file's permissions decide), or a system with its key."""

    key: ApiKey | None = None

    @property
    def name(self) -> str:
        """For idempotency keys: every caller has its own."""
        return "socket" if self.key is None else f"key {self.key.id}"


@dataclass(frozen=True, slots=True)
class Call:
    """One call. ``place``: the variable pieces of the path."""

    rooms: Rooms
    caller: Caller
    place: Mapping[str, str]
    query: Mapping[str, str]
    raw: bytes = b""
    body: Mapping[str, Any] = field(default_factory=dict)
    once: Once | None = None

    def actor(self, told: str | None) -> Person:
        """Who acts: a person named over the socket, or the key's own account. Raises ACTOR-MISSING, ACTOR-OTHER, PERSON-*."""
        people = self.rooms.people
        if self.caller.key is None:
            if not told:
                raise LocalError(codes.ACTOR_MISSING)
            return people.actor(parse_id(told, exchange_codes.PERSON_UNKNOWN))
        account = people.actor(self.caller.key.account)
        if told and people.get(parse_id(told, exchange_codes.PERSON_UNKNOWN)).id != account.id:
            raise LocalError(codes.ACTOR_OTHER)
        return account

    def operator_or(self, told: str | None) -> bytes:
        """Who acts, where the operator does by default: the one who may open the socket."""
        return self.actor(told).id if told else self.rooms.people.operator

    @property
    def owner(self) -> bytes:
        """The account whose uploads these are: the key's, or the operator's."""
        return self.rooms.people.operator if self.caller.key is None else self.caller.key.account

    def check_office(self, *offices: str) -> None:
        """A system's key speaks for its offices only; one of these must be among them. Raises CALL-OFFICE."""
        key = self.caller.key
        if key is not None and not key.offices & set(offices):
            raise LocalError(codes.CALL_OFFICE, ", ".join(offices))

    def parsed(self, model: type[M]) -> M:
        """The body as this model. Raises CALL-FORM with every wrong field."""
        try:
            return model.model_validate(self.body)
        except ValidationError as error:
            found = error.errors(include_url=False, include_input=False)
        raise CallError(
            [{"loc": _pointer(f["loc"]), "msg": f["msg"], "code": f["type"].upper().replace("_", "-")} for f in found]
        )

    def remember(self, tx: Tx, answer: Answer) -> None:
        """Keep the answer for a repetition of this call, in the transaction of its effect."""
        if self.once is not None:
            self.once.remember(tx, answer.status, answer.value)

    def limit(self) -> int:
        """How many items of a list. Raises CALL-FORM."""
        text = self.query.get("limit", str(PAGE))
        if not text.isascii() or not text.isdigit() or not 0 < len(text) <= 4 or not 0 < int(text) <= MOST:
            raise CallError([{"loc": "/limit", "msg": f"must be 1 to {MOST}", "code": "RANGE"}])
        return int(text)


Handler: TypeAlias = Callable[[Call], Answer]
Stream: TypeAlias = Callable[[web.Request, Call], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Route:
    """One row of the table. ``query``: names it knows; ``socket``: over the socket only; ``once``: may carry an idempotency key."""

    method: str
    path: str
    handler: Handler | Stream
    query: frozenset[str] = frozenset()
    socket: bool = False
    once: bool = False
    stream: bool = False


def parse_id(text: str, unknown: Any) -> bytes:
    """An id of 16 or 32 bytes in hex. What is no id is not known: raises ``unknown``."""
    try:
        found = bytes.fromhex(text)
    except ValueError:
        found = b""
    if len(found) not in (16, 32) or len(text) != 2 * len(found):
        raise LocalError(unknown, text[:64] if text.isascii() and text.isalnum() else "no id")
    return found


def _pointer(place: tuple[int | str, ...]) -> str:
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in place)
