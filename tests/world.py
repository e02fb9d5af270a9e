"""A small world for tests: authorities with real keys, a directory, real exchanges on disk, and a clock that tests set.

    world = make_world(tmp_path)
    world.exchange_prekeys()
    sent = world.send("xa-ca", "xb-ca", b"{}")
    world.deliver("xa-ca", "xb-ca")
    world.exchanges["xb-ca"].messages.inbox()

No network and no process: a pouch is carried by calling the other exchange. ``founded=True`` founds the directory as real TUF
metadata (0.2 s per authority more), which exports need; without it the directory is built by hand.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from exchange.bag import Bag
from exchange.exchange import Exchange, Identity
from exchange.outgoing.outbox import Submission
from exchange.outgoing.sealing import Attachment, Draft
from keys.directory import exercise, mirror, trust
from keys.directory.view import Directory, Kind, OfficeRecord
from keys.logkeys import LogKeyPair, WitnessKeyPair
from keys.prekeys import PrekeyStore
from keys.storage import StorageKey
from keys.suite import SUITE
from keys.transport import TransportKey
from node.home import Home
from protocol import limits
from protocol.entries import Entry, Lane, parse_entry
from protocol.errors import LocalError
from protocol.heads import HeadError
from protocol.names import Office

NETWORK = "exercise.example"
START = 1_795_500_000_000  # ms: 2026-11-24 06:00:00 UTC
_ANSWERS = ("ACKNOWLEDGEMENT", "EVIDENCE_HANDOVER", "EVIDENCE_RECEIPT")
OFFICES = (
    ("247", "24/7 contact point", ("EE_PRESERVE", "PRESERVATION_REPLY", *_ANSWERS)),
    ("mla", "Central authority", ("MLA_RECORDS", *_ANSWERS)),
)


@dataclass
class SetClock:
    """A clock that stands still until a test moves it."""

    time: int = START
    certain: bool = True

    def now(self) -> int:
        """Milliseconds since 1970, UTC."""
        return self.time

    def sure(self) -> bool:
        """Whether the wall clock can be believed."""
        return self.certain

    def advance(self, ms: int) -> None:
        """Let time pass."""
        self.time += ms


@dataclass
class Holding:
    """What one authority keeps for itself. Survives ``World.reopen``."""

    log: LogKeyPair
    standby: LogKeyPair
    witness: WitnessKeyPair
    transport: TransportKey
    storage: StorageKey
    prekey_key: bytes


@dataclass
class World:
    """Authorities by name, all in one process."""

    folder: Path
    clock: SetClock
    holdings: dict[str, Holding]
    directory: Directory
    exchanges: dict[str, Exchange] = field(default_factory=dict)
    fatal: list[LocalError] = field(default_factory=list)
    root_file: bytes = b""
    urgent_per_hour: int = 10_000
    founded: exercise.Exercise | None = None

    def home(self, name: str) -> Home:
        """The home of an authority; the exchange lies in its ``data``."""
        return Home(self.folder / name)

    def open(self, name: str) -> Exchange:
        """Open an authority's exchange on what lies in its folder, and begin."""
        home, holding = self.home(name), self.holdings[name]
        for made in (home.path, home.guard.parent, home.prekeys):
            made.mkdir(parents=True, exist_ok=True, mode=0o700)
        record = self.directory.log_in_force(name)
        prekeys = PrekeyStore(home.prekeys, holding.prekey_key)
        identity = Identity(record.origin, record.keys, holding.log, prekeys, holding.storage, holding.witness)
        exchange = Exchange(
            home.data, home.guard, identity, lambda: self.directory, SUITE, self.clock, on_fatal=self.fatal.append,
            urgent_per_hour=self.urgent_per_hour,
        )  # fmt: skip
        self.exchanges[name] = exchange
        exchange.begin()
        return exchange

    def reopen(self, name: str) -> Exchange:
        """Close and open again, as a restart does."""
        self.exchanges.pop(name).close()
        return self.open(name)

    def close(self) -> None:
        """Close every exchange."""
        for exchange in self.exchanges.values():
            exchange.close()
        self.exchanges.clear()

    # -- carrying -----------------------------------------------------------------------------------------------------------

    def exchange_prekeys(self) -> None:
        """Let everybody know everybody's prekeys, under witnessed heads."""
        for name in self.exchanges:
            self.visit(name)
        for asker in self.exchanges:
            for other in self.exchanges:
                if asker != other:
                    self.tell_prekeys(other, asker)

    def visit(self, name: str, *among: str) -> None:
        """Carry an authority's head to its witnesses (those ``among`` them), and take their lines."""
        exchange = self.exchanges[name]
        head = exchange.log.head()
        for witness in self.directory.log_in_force(name).witnesses:
            if witness in self.exchanges and (not among or witness in among):
                other = self.exchanges[witness]
                lines = other.witness.add_checkpoint(name, exchange.heads.request(head, other.peers.greatest(name)))
                exchange.heads.take_lines(witness, head, lines).result()

    def tell_prekeys(self, owner: str, asker: str) -> None:
        """Let one authority know another's prekeys."""
        asking, owning = self.exchanges[asker], self.exchanges[owner]
        frame = owning.contact.prekeys_frame(asking.peers.greatest(owner), self.directory.version)
        asking.contact.take_prekeys(owner, frame)

    def deliver(self, sender: str, recipient: str, lane: Lane = Lane.ROUTINE, *, parts: bool = True) -> Bag | None:
        """Carry one pouch of what is due and take its answer; with ``parts`` also what it wants. None: nothing due."""
        sending, inbox = self.exchanges[sender], self.exchanges[recipient].inbox
        bag = sending.outbox.bag(recipient, lane)
        if bag is None:
            return None
        try:
            answer = inbox.receive(sender, bag.frame)
        except HeadError as error:  # the 409 of the peers' port: link from the size that it has confirmed
            sending.links.hint(recipient, error.greatest)
            bag = sending.outbox.bag(recipient, lane)
            assert bag is not None
            answer = inbox.receive(sender, bag.frame)
        sending.answers.take(bag, answer)
        if parts and bag.uploads:
            for envelope_hash, wanted in bag.uploads.items():
                for number, offset in wanted:
                    self.upload(sender, recipient, envelope_hash, number, offset)
                sending.retries.uploaded(envelope_hash, recipient)
            self.deliver(sender, recipient, lane)
        return bag

    def upload(self, sender: str, recipient: str, envelope_hash: bytes, number: int, offset: int = 0) -> None:
        """Carry the rest of one part."""
        ours, theirs = self.exchanges[sender], self.exchanges[recipient]
        envelope = ours.messages.envelope(ours.messages.find(envelope_hash))
        upload = theirs.parts_in.open(sender, envelope_hash, number, offset)
        with ours.files.outgoing(envelope.parts[number].digest).open("rb") as source:
            source.seek(offset)
            while chunk := source.read(limits.MiB):
                upload.write(chunk)
        upload.finish()
        upload.close()
        theirs.parts_in.done(envelope_hash, number)

    # -- shortcuts ------------------------------------------------------------------------------------------------------------

    def send(
        self, sender: str, recipient: str, form: bytes, *, kind: str = "EE_PRESERVE", office: str = "247",
        lane: Lane = Lane.ROUTINE, attachments: Sequence[Attachment] = (), answers: bytes | None = None,
    ) -> Submission:  # fmt: skip
        """Seal and submit a letter between two offices of the same name, valid for ten days. The form is not looked at."""
        draft = Draft(
            office, (Office(recipient, office),), kind, form, self.clock.now() + 10 * limits.DAY, lane, tuple(attachments),
            answers=answers,
        )  # fmt: skip
        outbox = self.exchanges[sender].outbox
        return outbox.submit(outbox.seal(draft)).result()

    def entries(self, name: str) -> list[Entry]:
        """Every entry of an authority's log in force."""
        log = self.exchanges[name].log
        return [parse_entry(raw) for raw in log.entries(0, log.size)]


def make_world(
    folder: Path, names: Sequence[str] = ("xa-ca", "xb-ca", "xc-ca"), *, founded: bool = False, ports: Sequence[int] = range(9000, 9099)
) -> World:
    """Authorities with keys, a directory, and an open exchange each. Close it at the end. ``ports``: those of their addresses."""
    clock = SetClock()
    holdings = {name: _holding(name, clock.now()) for name in names}
    seats = [_seat(name, holdings[name], port) for name, port in zip(names, ports, strict=False)]
    if founded:
        made = exercise.found_exercise(folder / "founders", seats, clock.now(), network=NETWORK)
        world = World(folder, clock, holdings, made.directory, root_file=made.root_file, founded=made)
        for name in names:
            _anchor(world, name)
    else:
        world = World(folder, clock, holdings, _directory(seats, clock.now()))
    for name in names:
        world.open(name)
    return world


def _holding(name: str, now: int) -> Holding:
    transport = TransportKey.generate()
    transport.issue_certificate(name, NETWORK, 0, now + 36_500 * limits.DAY)  # TLS looks at the machine's clock, not at ours
    return Holding(
        LogKeyPair.generate(), LogKeyPair.generate(), WitnessKeyPair.generate(), transport,
        StorageKey({1: os.urandom(32)}, 1), os.urandom(32),
    )  # fmt: skip


def _seat(name: str, holding: Holding, port: int) -> exercise.Seat:
    keys = exercise.PublicKeys.of(holding.log, holding.standby, holding.witness, [holding.transport.certificate])
    offices = tuple(OfficeRecord(Office(name, office), title, functions, ("en", "fr")) for office, title, functions in OFFICES)
    return exercise.Seat(name, name[:2].upper(), f"Authority {name}", ("127.0.0.1", port), keys, offices)


def _directory(seats: Sequence[exercise.Seat], now: int) -> Directory:
    names = [seat.authority for seat in seats]
    members = {seat.authority: exercise.member_of(seat, NETWORK, names) for seat in seats}
    return Directory(NETWORK, b"n" * 32, Kind.EXERCISE, exercise.LOOPBACK, 1, 1, b"s" * 32, now + 30 * limits.DAY, members)


def _anchor(world: World, name: str) -> None:
    folder = world.home(name).directory
    folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)

    def fetch(path: str) -> bytes:
        data = mirror.read(world.folder / "founders", path)
        if data is None:
            raise FileNotFoundError(path)
        return data

    trust.anchor(folder, world.root_file)
    trust.update(folder, fetch, world.clock.now())


