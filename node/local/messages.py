"""Messages over the local API: send, list, read, take parts, export. Content is given to a named account, for a purpose, once logged."""

from __future__ import annotations

import asyncio
import base64
import struct
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import quote

from aiohttp import web
from pydantic import ConfigDict, Field

from exchange import codes as exchange_codes
from exchange.casework.cases import READERS
from exchange.casework.compose import Proposal, form_bytes
from exchange.casework.people import Person
from exchange.log import Tx
from exchange.messages import RECEIVED, SENT, Message
from exchange.outgoing.sealing import Attachment
from node import codes, logs
from node.clock import monotonic_ms
from node.local.calls import Answer, Body, Call, Route, parse_id
from node.local.problems import CallError
from node.local.views import letter_view, message_view, outcome_view, page
from protocol import limits
from protocol.body import Letter
from protocol.entries import HandedOver, Lane
from protocol.errors import LocalError
from protocol.forms.scalars import instant_ms
from protocol.names import Office

PURPOSE: Final = 64  # characters: what an entry holds

_CURSOR: Final = struct.Struct(">Q32s")


class NewAttachment(Body):
    """A file: by path over the socket, by upload otherwise."""

    path: str | None = None
    upload_id: str | None = None
    filename: Annotated[str, Field(min_length=1, max_length=255)]
    media_type: Annotated[str, Field(min_length=3, max_length=127)] = "application/octet-stream"
    role: Annotated[str, Field(min_length=1, max_length=64)] = "enclosure"


class NewMessage(Body):
    """A message to be sent."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True, validate_by_alias=True)

    from_office: Annotated[str, Field(alias="from", max_length=140)]
    to: Annotated[list[str], Field(min_length=1, max_length=limits.RECIPIENTS)]
    kind: Annotated[str, Field(min_length=1, max_length=64)]
    form: dict[str, Any]
    lane: Literal["urgent", "routine"] = "routine"
    expires: str | None = None
    attachments: Annotated[list[NewAttachment], Field(max_length=limits.PARTS - 1)] = Field(default_factory=list)
    answers: str | None = None
    actor: str | None = None


class ExportOrder(Body):
    """Where to write a bundle, and which parts to show in it."""

    out: Annotated[str, Field(min_length=1, max_length=4096)]
    disclose: Annotated[list[int], Field(max_length=limits.PARTS)] = Field(default_factory=list)
    actor: str | None = None
    purpose: str = "export"


# -- sending ------------------------------------------------------------------------------------------------------------------------


def send(call: Call) -> Answer:
    """POST /v1/messages: 202 when it is on its way, 201 when a second person must approve."""
    wanted, started = call.parsed(NewMessage), monotonic_ms()
    person = call.actor(wanted.actor)
    call.check_office(wanted.from_office)
    proposal = _proposal(call, wanted)
    rooms = call.rooms

    def answered(outcome: Any) -> Answer:
        return Answer(outcome_view(rooms, outcome), 201 if outcome.index is None else 202)

    outcome = rooms.cases.propose(person.id, proposal, lambda tx, done: call.remember(tx, answered(done)))
    for each in wanted.attachments:
        if each.upload_id is not None:
            rooms.uploads.forget(each.upload_id)
    if outcome.index is None and outcome.draft_id is not None:
        rooms.drafted(outcome.draft_id, wanted.from_office)
    stage = "drafted" if outcome.index is None else "submitted"
    peers = " ".join(sorted({office.authority for office in proposal.to}))
    logs.stage(stage, message_id=outcome.message_id, peer=peers, outcome=outcome.state, ms=monotonic_ms() - started)
    return answered(outcome)


def _proposal(call: Call, wanted: NewMessage) -> Proposal:
    expires = None
    if wanted.expires is not None:
        expires = instant_ms(wanted.expires)
        if expires is None:
            raise CallError([{"loc": "/expires", "msg": "is not an RFC 3339 time with its zone", "code": "INSTANT"}])
    return Proposal(
        Office.parse(wanted.from_office), tuple(Office.parse(each) for each in wanted.to), wanted.kind, form_bytes(wanted.form),
        Lane[wanted.lane.upper()], expires, tuple(_attachment(call, n, each) for n, each in enumerate(wanted.attachments)),
        None if wanted.answers is None else parse_id(wanted.answers, exchange_codes.MESSAGE_UNKNOWN),
    )  # fmt: skip


def _attachment(call: Call, number: int, wanted: NewAttachment) -> Attachment:
    if (wanted.path is None) == (wanted.upload_id is None):
        raise CallError([{"loc": f"/attachments/{number}", "msg": "needs either path or upload_id", "code": "MISSING"}])
    if wanted.path is not None:
        if call.caller.key is not None:
            raise LocalError(codes.CALL_SOCKET, "attachments by path; upload them instead")
        path = Path(wanted.path)
        if not path.is_absolute():
            raise CallError([{"loc": f"/attachments/{number}/path", "msg": "must be absolute", "code": "FORMAT"}])
        return Attachment(path, wanted.filename, wanted.media_type, wanted.role)
    uploads, upload_id = call.rooms.uploads, str(wanted.upload_id)
    owner = call.owner
    uploads.get(upload_id, owner)
    return Attachment(Path(upload_id), wanted.filename, wanted.media_type, wanted.role, partial(uploads.open, upload_id, owner))


# -- listing ------------------------------------------------------------------------------------------------------------------------


def list_messages(call: Call) -> Answer:
    """GET /v1/messages: newest first, without content. A system sees those of its offices."""
    direction = {"in": RECEIVED, "out": SENT}.get(call.query.get("direction", "in"))
    if direction is None:
        raise CallError([{"loc": "/direction", "msg": "must be in or out", "code": "NOT-IN-LIST"}])
    cursor, limit = call.query.get("cursor"), call.limit()
    found = call.rooms.exchange.messages.page(direction, limit, None if not cursor else _read_cursor(cursor))
    items = [message_view(call.rooms, each) for each in found if _visible(call, each)]
    following = _cursor(found[-1]) if len(found) == limit else None
    return Answer(page(items, following))


def read(call: Call) -> Answer:
    """GET /v1/messages/{id}: with content=1 what it says, once that is logged."""
    message = _find(call)
    view = message_view(call.rooms, message)
    if call.query.get("content", "0") not in ("0", "false"):
        person, purpose, letter = _reader(call, message)
        started = monotonic_ms()
        index = call.rooms.exchange.messages.log_access(message, call.rooms.people.pseudonym(person.id), purpose)
        view["content"] = letter_view(message.sender, letter)
        view["accessed"] = {"index": index}
        logs.stage("accessed", message_id=message.message_id, outcome="read", ms=monotonic_ms() - started)
    return Answer(view)


def _find(call: Call) -> Message:
    message = call.rooms.exchange.messages.find(parse_id(call.place["id"], exchange_codes.MESSAGE_UNKNOWN))
    if not _visible(call, message):
        raise LocalError(exchange_codes.MESSAGE_UNKNOWN, call.place["id"])
    return message


def _visible(call: Call, message: Message) -> bool:
    """A system sees messages of its offices; what cannot be opened is nobody's."""
    key = call.caller.key
    if key is None:
        return True
    letter = call.rooms.letter(message)
    return letter is not None and bool(key.offices & call.rooms.our_offices(letter))


def _reader(call: Call, message: Message) -> tuple[Person, str, Letter]:
    """Who reads, why, and what. Raises PURPOSE-MISSING, ROLE-MISSING, MESSAGE-PENDING, MESSAGE-ERASED."""
    purpose = call.query.get("purpose", "")
    if not 0 < len(purpose) <= PURPOSE or not purpose.isprintable():
        raise LocalError(exchange_codes.PURPOSE_MISSING)
    person = call.actor(call.query.get("actor"))
    if message.index is None:
        raise LocalError(exchange_codes.MESSAGE_PENDING)
    letter = call.rooms.exchange.messages.read(message)
    _demand_role(call, person, letter)
    return person, purpose, letter


def _demand_role(call: Call, person: Person, letter: Letter) -> None:
    offices = call.rooms.our_offices(letter)
    if not any(person.has(office, READERS) for office in offices):
        raise LocalError(exchange_codes.ROLE_MISSING, ", ".join(sorted(offices)))


def _cursor(message: Message) -> str:
    return base64.urlsafe_b64encode(_CURSOR.pack(message.time, message.hash)).rstrip(b"=").decode()


def _read_cursor(text: str) -> tuple[int, bytes]:
    try:
        time, envelope_hash = _CURSOR.unpack(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, struct.error):
        raise LocalError(codes.CALL_CURSOR) from None
    return min(time, 2**62), envelope_hash


# -- parts and proofs -----------------------------------------------------------------------------------------------------------------


async def part(request: web.Request, call: Call) -> web.StreamResponse:
    """GET /v1/messages/{id}/parts/{i}: its plaintext, as it is decrypted. Cut short when it was altered on our disk."""
    number = int(call.place["number"])
    letter, chunks = await asyncio.to_thread(_part, call, number)
    about = letter.attachments[number - 1]
    chunk = await asyncio.to_thread(_next_of, chunks)  # what is refused at once is still a problem document
    response = web.StreamResponse(
        headers={
            "Content-Type": "application/octet-stream", "Content-Length": str(about.length), "X-Content-Type-Options": "nosniff",
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(about.filename, safe='')}",
            "Content-Security-Policy": "sandbox; default-src 'none'", "Cache-Control": "no-store",
            "Digest": f"sha-256={base64.b64encode(about.digest).decode()}",
        }
    )  # fmt: skip
    await response.prepare(request)
    while chunk:
        await response.write(chunk)
        chunk = await asyncio.to_thread(_next_of, chunks)
    await response.write_eof()
    return response


def _part(call: Call, number: int) -> tuple[Letter, Iterator[bytes]]:
    message = _find(call)
    person, purpose, letter = _reader(call, message)
    if not 1 <= number <= len(letter.attachments):
        raise LocalError(exchange_codes.PART_NUMBER, f"{number} of {len(letter.attachments)}")
    messages = call.rooms.exchange.messages
    messages.log_hand_over(message, call.rooms.people.pseudonym(person.id), purpose)
    return letter, messages.attachment(message, number)


def _next_of(chunks: Iterator[bytes]) -> bytes:
    """The next bytes; none at the end. A chunk without output is passed over."""
    return next((chunk for chunk in chunks if chunk), b"")


def export(call: Call) -> Answer:
    """POST /v1/messages/{id}/export: the message's bundle in a folder of this host; disclosed parts are logged first."""
    order, message = call.parsed(ExportOrder), _find(call)
    out = Path(order.out)
    if not out.is_absolute():
        raise CallError([{"loc": "/out", "msg": "must be absolute", "code": "FORMAT"}])
    exchange, rooms = call.rooms.exchange, call.rooms
    if order.disclose:
        person = call.actor(order.actor)
        _demand_role(call, person, exchange.messages.read(message))
        pseudonym = rooms.people.pseudonym(person.id)

        def log(tx: Tx) -> None:
            tx.append(HandedOver, message.hash, message.message_id, pseudonym, order.purpose[:PURPOSE] or "export")

        exchange.writer.run(log)
    files = rooms.exporter.export(message, out, order.disclose)
    return Answer({"message_id": message.message_id.hex(), "out": str(out), "files": files})


ROUTES: Final = (
    Route("POST", "/v1/messages", send, once=True),
    Route("GET", "/v1/messages", list_messages, frozenset({"direction", "limit", "cursor"})),
    Route("GET", "/v1/messages/{id}", read, frozenset({"content", "purpose", "actor"})),
    Route("GET", "/v1/messages/{id}/parts/{number:[0-9]{1,3}}", part, frozenset({"purpose", "actor"}), stream=True),
    Route("POST", "/v1/messages/{id}/export", export, socket=True),
)
