"""Two recipients, a sender and a founded network, with real keys throughout: what the auditor's tests export and alter."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from exchange.export.bundle import Disclosure, Evidence, Materials, metadata_of
from keys.directory import exercise
from keys.directory.view import Directory, OfficeRecord
from keys.logkeys import LogKeyPair, WitnessKeyPair
from keys.suite import SUITE
from keys.transport import TransportKey
from protocol import limits
from protocol.body import Addressing, Attachment, Letter, encode_body
from protocol.checkpoint import Checkpoint, LogKeys, sign_head
from protocol.cosignature import cosign
from protocol.entries import Consigned, Entry, Filler, Lane, Opened, Place, Refused, Submitted
from protocol.envelope import Envelope, build_envelope
from protocol.merkle import inclusion, leaf_hash, node_hash, root
from protocol.names import Office, witness_name
from protocol.note import format_note, parse_note
from protocol.parts import BODY_MEDIA_TYPE, PartHead, PartName, seal_part
from protocol.pouch import Proven
from protocol.vkey import COSIGNATURE_MLDSA44, VKey

NOW = 1_800_000_000_000
NETWORK = "exercise.example"
PDF = b"%PDF-1.7 not a real one, but real bytes\n" * 60
CSV = b"ip;time\n192.0.2.7;2026-11-24T02:00:00Z\n" * 12


class MemoryLog:
    """A log in memory: entries, heads of any size, paths to them; it signs what it is told, forks included."""

    def __init__(self, origin: str, pair: LogKeyPair) -> None:
        self.pair = pair
        self.keys: LogKeys = pair.log_keys(origin)
        self.entries: list[bytes] = []
        self.times: list[int] = []

    def append(self, entry: Entry | bytes, time: int = NOW) -> int:
        """The index of the new entry."""
        self.entries.append(entry if isinstance(entry, bytes) else entry.encode())
        self.times.append(entry.time if isinstance(entry, Entry) else time)
        return len(self.entries) - 1

    def node(self, level: int, index: int) -> bytes:
        """HashReader over the entries."""
        if level == 0:
            return leaf_hash(self.entries[index])
        return node_hash(self.node(level - 1, 2 * index), self.node(level - 1, 2 * index + 1))

    def root(self, size: int) -> bytes:
        """The root of the first so many entries."""
        return root(size, self)

    def note(self, size: int | None = None, time_s: int | None = None) -> bytes:
        """A signed head of this size (all entries)."""
        size = len(self.entries) if size is None else size
        head = Checkpoint(self.keys.origin, size, self.root(size))
        return sign_head(head, time_s or self.times[size - 1] // 1000 + 1, self.pair, self.keys)

    def proven(self, index: int, size: int | None = None) -> Proven:
        """An entry with its path to the head of this size."""
        size = len(self.entries) if size is None else size
        return Proven(self.entries[index], index, tuple(inclusion(index, size, self)))

    def evidence(self, index: int, size: int | None = None, time_s: int | None = None) -> Evidence:
        """The same with the signed head."""
        return Evidence(self.proven(index, size), self.note(size, time_s))


@dataclass
class Party:
    """One authority: its log, and the pair it witnesses with."""

    name: str
    log: MemoryLog
    witness: WitnessKeyPair
    standby: LogKeyPair

    def next_log(self, n: int) -> None:
        """Open log ``n`` under the standby keys."""
        self.log = MemoryLog(f"{NETWORK}/{self.name}/log/{n}", self.standby)
        self.log.append(Opened(NOW, os.urandom(16), bytes(32), self.name, n, None, "planned"))

    def cosigned(self, note: bytes, time_s: int) -> bytes:
        """The note with this authority's 0x06 line."""
        parsed = parse_note(note)
        vkey = VKey(witness_name(NETWORK, self.name), COSIGNATURE_MLDSA44, self.witness.mldsa44)
        origin, size, raw = parsed.text.decode().split("\n")[:3]
        head = Checkpoint(origin, int(size), base64.b64decode(raw))
        return format_note(parsed.text, [*parsed.signatures, cosign(vkey, head, time_s, self.witness.sign_mldsa44)])


@dataclass
class Sealed:
    """A sealed message and the secret that opens it."""

    envelope: Envelope
    secret: bytes
    plaintexts: Sequence[tuple[str, bytes]]

    def disclosure(self, part: int) -> Disclosure:
        """Part ``part`` to be shown."""
        media_type, plaintext = self.plaintexts[part]
        name = PartName(self.envelope.network_id, self.envelope.message_id, part)
        return Disclosure(part, media_type, name.opening(self.secret[32:]), plaintext)


@dataclass
class World:
    """A network of three: xa-ca sends, xb-ca and xc-ca answer. Made once; logs grow with every exchange."""

    folder: Path
    parties: dict[str, Party] = field(default_factory=dict)
    directory: Directory = field(init=False)
    metadata: dict[str, bytes] = field(init=False)
    root_file: bytes = field(init=False)
    made: exercise.Exercise = field(init=False)

    def __post_init__(self) -> None:
        seats = [self._seat(name, 8441 + i) for i, name in enumerate(("xa-ca", "xb-ca", "xc-ca"))]
        self.folder.mkdir(parents=True, exist_ok=True)
        self.made = exercise.found_exercise(self.folder, seats, NOW, network=NETWORK)
        self.root_file = self.made.root_file
        self.reload()
        network_id = self.directory.network_id
        for party in self.parties.values():
            party.log.append(Opened(NOW, os.urandom(16), network_id, party.name, 1, None, "first"))

    def reload(self) -> None:
        """Read the directory again after a change of the repository."""
        self.directory, self.metadata = metadata_of(self.folder)

    def _seat(self, name: str, port: int) -> exercise.Seat:
        log, standby, witness, transport = (
            LogKeyPair.generate(), LogKeyPair.generate(), WitnessKeyPair.generate(), TransportKey.generate(),
        )  # fmt: skip
        certificate = transport.issue_certificate(name, NETWORK, NOW, NOW + 400 * limits.DAY)
        keys = exercise.PublicKeys.of(log, standby, witness, [certificate])
        self.parties[name] = Party(name, MemoryLog(f"{NETWORK}/{name}/log/1", log), witness, standby)
        office = OfficeRecord(Office(name, "247"), "24/7 point", ("EE_PRESERVE",), ("en",), "Europe/Vienna")
        return exercise.Seat(name, name[:2].upper(), f"Authority {name}", ("127.0.0.1", port), keys, (office,))

    @cached_property
    def sealed(self) -> Sealed:
        """One message to both, a body and two attachments."""
        return self.seal(("xb-ca", "xc-ca"))

    def seal(
        self, recipients: tuple[str, ...], created: int = NOW, *, body_type: str = BODY_MEDIA_TYPE, body: bytes | None = None
    ) -> Sealed:
        """A new message with two attachments; ``body_type`` and ``body`` let the sealer lie."""
        secret = os.urandom(96)
        addressing = Addressing(
            self.directory.network_id, os.urandom(16), "xa-ca", recipients, created, created + limits.DAY, Lane.ROUTINE
        )
        attachments = tuple(
            Attachment(media_type, name, len(data), hashlib.sha256(data).digest(), "annex")
            for media_type, name, data in (("application/pdf", "Ersuchen.pdf", PDF), ("text/csv", "логи.csv", CSV))
        )
        letter = Letter(
            "247", tuple(Office(r, "247") for r in recipients), "EE_PRESERVE", b'{"n":1}', attachments, addressing.message_id, 1
        )
        honest = encode_body(addressing, letter)
        plaintexts = ((body_type, body or honest), ("application/pdf", PDF), ("text/csv", CSV))
        heads = tuple(self._part(addressing, secret, i, *plaintexts[i]) for i in range(3))
        envelope = build_envelope(
            network_id=addressing.network_id,
            message_id=addressing.message_id,
            sender="xa-ca",
            recipients=recipients,
            created=created,
            expires=addressing.expires,
            lane=Lane.ROUTINE,
            part_heads=heads,
        )
        return Sealed(envelope, secret, plaintexts)

    def _part(self, addressing: Addressing, secret: bytes, index: int, media_type: str, plaintext: bytes) -> PartHead:
        name = PartName(addressing.network_id, addressing.message_id, index)
        return seal_part(SUITE, name, secret[:32], secret[32:], media_type, plaintext)[1]

    def submitted(self, envelope: Envelope, time: int = NOW + 1000) -> Submitted:
        """The honest entry about an envelope."""
        return Submitted(
            time, os.urandom(16), envelope.hash, envelope.message_id, envelope.lane, envelope.expires, len(envelope.recipients)
        )

    def exchange(
        self,
        sealed: Sealed,
        answering: Sequence[str],
        *,
        disclose: Sequence[int] = (),
        submitted: Entry | None = None,
        answer: Callable[[str, Consigned], Entry] | None = None,
        fillers: int = 3,
    ) -> Materials:
        """The whole way of a message, answered by ``answering``; ``answer`` lets a recipient say something else."""
        envelope, sender = sealed.envelope, self.parties["xa-ca"].log
        index = sender.append(submitted or self.submitted(envelope))
        for _ in range(fillers):
            sender.append(Filler(sender.times[-1], os.urandom(16)))
        size = len(sender.entries)
        place = Place(int(sender.keys.origin[-1]), index, size, sender.root(size))
        receipts = {}
        for name in answering:
            log = self.parties[name].log
            honest = Consigned(NOW + 2000, os.urandom(16), envelope.hash, envelope.message_id, "xa-ca", place)
            at = log.append(answer(name, honest) if answer else honest)
            log.append(Filler(log.times[-1], os.urandom(16)))
            receipts[name] = log.evidence(at)
        disclosures = tuple(sealed.disclosure(part) for part in disclose)
        return Materials(envelope.raw, sender.evidence(index, size), receipts, self.directory, self.metadata, disclosures)


def refused(honest: Consigned, reason: str = "BODY-FORM", check: int = 13) -> Refused:
    """The refusal in place of an acceptance."""
    return Refused(
        honest.time, honest.salt, honest.envelope_hash, honest.message_id, honest.sender, honest.place, reason, check
    )
