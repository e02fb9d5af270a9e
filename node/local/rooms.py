"""The rooms that the local API opens onto: everything a handler may use, made once from the node."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import structlog

from exchange import codes as exchange_codes
from exchange.casework.acts import Acts
from exchange.casework.cases import Cases
from exchange.casework.nametable import NameTable
from exchange.casework.people import People
from exchange.casework.unattended import load_policies
from exchange.exchange import Exchange
from exchange.export.export import Exporter
from exchange.messages import Message
from exchange.notice import Notice
from exchange.outgoing.deadlines import Late
from exchange.ports import Clock
from keys.directory.view import Directory
from keys.storage import StorageKey
from node import logs
from node.home import Home
from node.local.apikeys import ApiKeys
from node.local.events import ALARM, CONSIGNED, DRAFTED, HELD, LATE, RECEIPTED, REFUSED, UNDELIVERED, Event, Events
from node.local.instants import instant
from node.local.uploads import Uploads
from node.settings import Settings
from protocol import limits
from protocol.body import Letter
from protocol.delivery import State
from protocol.entries import Lane
from protocol.errors import LocalError, RogatoryError
from protocol.names import Office

_log = structlog.get_logger("local")
_NAMES: Final = {State.DELIVERED: RECEIPTED, State.REFUSED: REFUSED, State.HELD: HELD}


class Contact(Protocol):
    """What a courier last saw of a peer."""

    @property
    def reached(self) -> int | None:
        """When (ms) it last answered."""
        ...

    @property
    def failed(self) -> int | None:
        """When (ms) it last did not."""
        ...

    @property
    def code(self) -> str:
        """Why not; empty once it answered again."""
        ...

    @property
    def pouches(self) -> int:
        """Carried since the start."""
        ...

    @property
    def items(self) -> int:
        """In them."""
        ...


class Sending(Protocol):
    """How far parts have come on their way to a peer."""

    def sent(self, envelope_hash: bytes, lengths: Sequence[int]) -> int:
        """Bytes of ciphertext, of parts that are so long."""
        ...


class Courier(Protocol):
    """The one who carries for a peer."""

    @property
    def contacts(self) -> Contact:
        """What it last saw."""
        ...

    @property
    def sending(self) -> Sending:
        """How far it has come."""
        ...


@dataclass(frozen=True, slots=True)
class Host:
    """What the local API needs of its node."""

    home: Home
    settings: Settings
    exchange: Exchange
    storage: StorageKey
    directory: Callable[[], Directory]
    clock: Clock
    couriers: Mapping[str, Courier]


class Rooms:
    """People, cases, uploads, keys and events around one exchange. Raises PEOPLE-FILE, POLICY-FILE, API-KEY-FILE."""

    def __init__(self, host: Host) -> None:
        self.host, self.home, self.clock, self.exchange = host, host.home, host.clock, host.exchange
        exchange, random = host.exchange, os.urandom
        load_policies(self.home.policies)
        self.names = NameTable(self.home.people, host.storage, random)
        self.acts = Acts(exchange.store, host.storage, random, self.names.pseudonym)
        self.people = People(exchange.store, exchange.writer, self.acts, self.names, self.clock, random, self._offices)
        self.cases = Cases(exchange, self.people, self.acts, host.storage, lambda: load_policies(self.home.policies))
        self.api_keys = ApiKeys(self.home.api_keys, self.people, self.acts, exchange.writer, random, self.clock.now)
        reserve = host.settings.data.disk_reserve_mib * limits.MiB
        self.uploads = Uploads(self.home.uploads, self.clock, random, reserve)
        self.events = Events(exchange.store, exchange.writer)
        self.exporter = Exporter(exchange.store, exchange.log, exchange.messages, exchange.holdings, self.home.directory)
        exchange.inbox.on_consigned = self._consigned
        exchange.deadlines.on_late = self._late
        exchange.answers.on_settled = exchange.deadletters.on_settled = self._settled

    def close(self) -> None:
        """Close what is ours; the exchange is the node's."""
        self.events.close()
        self.names.close()

    def letter(self, message: Message) -> Letter | None:
        """The letter, for the program's own use (whose office is it?); None while parts are missing or once it was erased."""
        if message.index is None:
            return None
        try:
            return self.exchange.messages.read(message)
        except LocalError as error:
            if error.code is exchange_codes.MESSAGE_ERASED:
                return None
            raise

    def our_offices(self, letter: Letter) -> frozenset[str]:
        """Those of our offices that a letter is from or to."""
        us = self.exchange.us
        sender = f"{us}/{letter.from_office}"
        ours = {str(office) for office in letter.to if office.authority == us}
        return frozenset(ours) if ours else frozenset({sender})

    def drafted(self, draft: bytes, office: str) -> None:
        """Tell that a draft waits for a second person."""
        self.events.emit(DRAFTED, {"draft_id": draft.hex(), "office": office}, {office})

    def _offices(self) -> list[Office]:
        return [record.office for record in self.host.directory().member(self.exchange.us).offices]

    def _consigned(self, told: Sequence[Notice]) -> None:
        self.events.emit_all([(CONSIGNED, {**_about(each), "sender": each.peer}) for each in told])
        for each in told:
            self._line("consigned", each, 0)

    def _settled(self, told: Sequence[Notice]) -> None:
        events = [(_NAMES.get(each.state, UNDELIVERED), {**_about(each), "recipient": each.peer, "state": each.state}) for each in told]
        self.events.emit_all(events)
        now = self.clock.now()
        for (name, _), each in zip(events, told, strict=True):
            self._line(name.partition(".")[2], each, now - each.since)

    def _late(self, late: Sequence[Late]) -> None:
        """Messages without a receipt: an event for each, and an alarm where somebody must pick up the phone now."""
        now, loud = self.clock.now(), Counter[str]()
        told = []
        for each in late:
            about = {"message_id": each.message_id.hex(), "envelope_hash": each.hash.hex(), "lane": each.lane.name.lower()}
            tried = {"state": each.state, "attempts": each.attempts, "last_code": each.last_code}
            told.append((LATE, {**about, "recipient": each.recipient, **tried, "expires": instant(each.expires)}))
            loud[each.recipient] += each.lane is Lane.URGENT or each.expires - now <= limits.HOUR
        self.events.emit_all(told)
        for peer, count in sorted((+loud).items()):
            code, detail = exchange_codes.DELIVERY_LATE.code, f"{peer}: {count}"
            _log.error("alarm", code=code, detail=detail)
            self.events.emit(ALARM, {"code": code, "detail": detail})

    def concerned(self, event: Event) -> frozenset[str]:
        """Our offices that an event concerns: read from the message it names, when it does not say so itself; empty: all."""
        named = event.data.get("envelope_hash")
        if event.offices or named is None:
            return event.offices
        message = self._find(bytes.fromhex(named))
        letter = None if message is None else self.letter(message)
        return frozenset({"-"}) if letter is None else self.our_offices(letter)

    def _find(self, envelope_hash: bytes) -> Message | None:
        """The message; None when it cannot be read now: telling is no reason to fail."""
        try:
            return self.exchange.messages.find(envelope_hash)
        except RogatoryError:
            return None

    def _line(self, stage: str, told: Notice, ms: int) -> None:
        logs.stage(stage, message_id=told.message_id, peer=told.peer, outcome=told.state, ms=ms)


def _about(told: Notice) -> dict[str, str]:
    return {"message_id": told.message_id.hex(), "envelope_hash": told.hash.hex(), "lane": told.lane.name.lower()}
