"""The rooms that the local API opens onto: everything a handler may use, made once from the node."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from exchange import codes as exchange_codes
from exchange.acts import Acts
from exchange.cases import Cases
from exchange.exchange import Exchange
from exchange.export import Exporter
from exchange.messages import SENT, Message
from exchange.nametable import NameTable
from exchange.people import People
from exchange.ports import Clock
from exchange.unattended import load_policies
from keys.directory.view import Directory
from keys.storage import StorageKey
from node import logs
from node.home import Home
from node.local.apikeys import ApiKeys
from node.local.events import CONSIGNED, DRAFTED, RECEIPTED, REFUSED, UNDELIVERED, Events
from node.local.uploads import Uploads
from node.settings import Settings
from protocol import limits
from protocol.body import Letter
from protocol.delivery import State
from protocol.errors import LocalError, RogatoryError
from protocol.names import Office


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


class Courier(Protocol):
    """The one who carries for a peer."""

    @property
    def contacts(self) -> Contact:
        """What it last saw."""
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
    """People, cases, uploads, keys and events around one exchange. Raises PEOPLE-FILE, POLICY-FORM, API-KEY-FILE."""

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
        self.exporter = Exporter(exchange.store, exchange.log, exchange.messages, self.home.directory)
        exchange.inbox.on_consigned = self._consigned
        exchange.outbox.on_receipt = self._settled

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

    def _consigned(self, envelope_hash: bytes) -> None:
        message = self._find(envelope_hash)
        if message is None:
            return
        letter = self.letter(message)
        data = {
            "message_id": message.message_id.hex(), "envelope_hash": message.hash.hex(), "sender": message.sender,
            "lane": message.lane.name.lower(),
        }  # fmt: skip
        self.events.emit(CONSIGNED, data, () if letter is None else self.our_offices(letter))
        self._line("consigned", message, message.sender, "consigned")

    def _settled(self, envelope_hash: bytes, recipient: str, state: State) -> None:
        message = self._find(envelope_hash)
        if message is None:
            return
        name = {State.DELIVERED: RECEIPTED, State.REFUSED: REFUSED}.get(state, UNDELIVERED)
        letter = self.letter(message)
        data = {"message_id": message.message_id.hex(), "envelope_hash": message.hash.hex(), "recipient": recipient, "state": state}
        self.events.emit(name, data, () if letter is None else self.our_offices(letter))
        self._line(name.partition(".")[2], message, recipient, state)

    def _find(self, envelope_hash: bytes) -> Message | None:
        """The message; None when it cannot be read now: telling is no reason to fail."""
        try:
            return self.exchange.messages.find(envelope_hash)
        except RogatoryError:
            return None

    def _line(self, stage: str, message: Message, peer: str, outcome: str) -> None:
        since = message.time if message.direction == SENT else self.clock.now()
        logs.stage(stage, message_id=message.message_id, peer=peer, outcome=outcome, ms=self.clock.now() - since)
