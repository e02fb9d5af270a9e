"""A sender that keeps no rule unless told to: its log and keys are real, whatever it says is the test's.

    forger = Forger(world)                      # xa-ca, towards xb-ca
    forged = forger.seal(body={13: "x"})        # any field of envelope or body, any secret, any ciphertext
    answer = forger.offer(forger.item(forged))  # logged, proven, wrapped, carried
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from exchange.exchange import Exchange
from keys.suite import SUITE
from protocol import cbor, limits, pouch
from protocol.checkpoint import Head
from protocol.entries import Entry, Lane, Submitted
from protocol.envelope import LABEL, wrap_info
from protocol.parts import BODY_MEDIA_TYPE, PartName, seal_part
from protocol.pouch import Answer, EnvelopeItem, HeadOffer, Item, PouchHead
from protocol.prekeyset import PeerKey
from tests.world import World

Fields = Mapping[int, cbor.Value]
TABLES = ("incoming", "incoming_part", "secret", "outgoing", "delivery", "note", "peer_head", "wrap_try", "refusal_count")


def counts(exchange: Exchange) -> dict[str, int]:
    """Rows of every table (refusals: their sum), entries of the log, files of parts."""
    db = exchange.store.writer
    found = {table: db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in TABLES}
    found["refusal_count"] = db.execute("SELECT coalesce(sum(count), 0) FROM refusal_count").fetchone()[0]
    found["log"] = exchange.log.size
    found["files"] = sum(1 for path in exchange.files.folder.rglob("*") if path.is_file())
    return found


@contextmanager
def changes(exchange: Exchange, **deltas: int) -> Iterator[None]:
    """Exactly these counts change inside, by so much; everything else stays."""
    before = counts(exchange)
    yield
    after = counts(exchange)
    changed = {name: after[name] - before[name] for name in after if after[name] != before[name]}
    assert changed == {name: delta for name, delta in deltas.items() if delta}, changed


@dataclass(frozen=True)
class Forged:
    """A sealed message, whatever it is worth."""

    raw: bytes
    secret: bytes
    body: bytes
    parts: tuple[bytes, ...]
    fields: Fields

    @property
    def hash(self) -> bytes:
        return hashlib.sha256(self.raw).digest()


class Forger:
    """``us`` speaks to ``them`` through its real log."""

    def __init__(self, world: World, us: str = "xa-ca", them: str = "xb-ca") -> None:
        self.world, self.us, self.them = world, us, them

    @property
    def ours(self) -> Exchange:
        return self.world.exchanges[self.us]

    @property
    def theirs(self) -> Exchange:
        return self.world.exchanges[self.them]

    # -- making -------------------------------------------------------------------------------------------------------------

    def fields(self, changed: Fields | None = None) -> dict[int, cbor.Value]:
        """The fields of an honest envelope without its parts, but for those changed."""
        now = self.world.clock.now()
        honest: dict[int, cbor.Value] = {
            0: self.world.directory.network_id, 1: 1, 2: os.urandom(16), 3: self.us, 4: [self.them], 5: now,
            6: now + limits.DAY, 7: 0,
        }  # fmt: skip
        return honest | dict(changed or {})

    def plaintext(self, fields: Fields, files: Sequence[tuple[str, bytes]] = (), changed: Fields | None = None) -> bytes:
        """The body that goes with these fields, but for what is changed; None leaves a key out."""
        listed: cbor.Value = [[kind, f"{i}.bin", len(data), hashlib.sha256(data).digest(), "annex"] for i, (kind, data) in enumerate(files)]
        honest: dict[int, cbor.Value] = {
            0: fields[0], 1: fields[2], 2: fields[3], 3: fields[4], 4: fields[5], 5: fields[6], 6: fields[7],
            7: "247", 8: [f"{self.them}/247"], 9: "EE_PRESERVE", 10: b"{}", 11: listed, 12: fields[2], 13: 1,
        }  # fmt: skip
        table = honest | dict(changed or {})
        return cbor.encode({key: value for key, value in table.items() if value is not None})  # type: ignore[redundant-expr]

    def seal(
        self, envelope: Fields | None = None, *, body: Fields | None = None, plaintext: bytes | None = None,
        files: Sequence[tuple[str, bytes]] = (), secret: bytes | None = None, r: bytes | None = None,
        heads: Callable[[list[cbor.Value]], list[cbor.Value]] = lambda rows: rows,
    ) -> Forged:  # fmt: skip
        """Seal a message. ``r``: the one committed with, when it is not the secret's; ``heads`` may alter what the envelope says."""
        fields = self.fields(envelope)
        secret = secret or os.urandom(96)
        written = plaintext if plaintext is not None else self.plaintext(fields, files, body)
        sealed: list[bytes] = []
        rows: list[cbor.Value] = []
        for number, (media_type, data) in enumerate([(BODY_MEDIA_TYPE, written), *files]):
            name = PartName(fields[0], fields[2], number)  # type: ignore[arg-type]
            ciphertext, head = seal_part(SUITE, name, secret[:32], r or secret[32:96], media_type, data)
            sealed.append(ciphertext)
            rows.append([head.length, head.digest, head.commitment])
        whole = {**fields, 8: heads(rows)}
        return Forged(cbor.encode([LABEL, whole]), secret, sealed[0], tuple(sealed[1:]), whole)

    # -- logging and proving --------------------------------------------------------------------------------------------------

    def log(self, cls: type[Entry], *fields: object) -> int:
        """Append any entry to our log."""
        return self.ours.writer.run(lambda tx: tx.append(cls, *fields))

    def submit(self, forged: Forged, **changed: object) -> int:
        """Log the ``submitted`` of a message, honest but for what is changed."""
        f = forged.fields
        said: dict[str, object] = {
            "hash": forged.hash, "message_id": f[2], "lane": Lane(f[7]), "expires": f[6], "recipients": len(f[4]),  # type: ignore[arg-type]
        }  # fmt: skip
        return self.log(Submitted, *(said | changed).values())

    def key(self) -> PeerKey:
        """The recipient's prekey that an honest sender would use."""
        key = self.ours.shelf.freshest(self.them, self.world.clock.now())
        assert key is not None
        return key

    def wrap(self, forged: Forged, *, key: PeerKey | None = None, recipient: str | None = None, raw: bytes | None = None,
             secret: bytes | None = None) -> bytes:  # fmt: skip
        """The wrap of a message, honest but for what is given."""
        key = key or self.key()
        return SUITE.seal(key.public, wrap_info(raw or forged.raw, recipient or self.them, key.id), secret or forged.secret)

    def item(self, forged: Forged, index: int | None = None, **changed: Any) -> EnvelopeItem:
        """The item of a message: logged now unless an index is given."""
        index = self.submit(forged) if index is None else index
        wrap, prekey_id = changed.pop("wrap", None) or self.wrap(forged), changed.pop("prekey_id", None) or self.key().id
        item = EnvelopeItem(self.ours.log.prove(index, self.ours.log.head()), forged.raw, prekey_id, wrap, forged.body)
        return replace(item, **changed)

    def items(self, *forged: Forged) -> list[EnvelopeItem]:
        """The items of several messages, all logged first, so that one head proves them."""
        return [self.item(one, index) for one, index in [(one, self.submit(one)) for one in forged]]

    def renewed(self, item: EnvelopeItem) -> EnvelopeItem:
        """The same item, proven under our head of now."""
        return replace(item, origin=self.ours.log.prove(item.origin.index, self.ours.log.head()))

    # -- carrying ---------------------------------------------------------------------------------------------------------------

    def about(self, head: Head | None = None, lane: Lane = Lane.ROUTINE, old: int | None = None) -> PouchHead:
        """The head part of a pouch, linked from what the recipient has confirmed."""
        head = head or self.ours.log.head()
        old = self.theirs.peers.greatest(self.us) if old is None else old
        return PouchHead(lane, HeadOffer(old, self.ours.log.consistency(old, head), head.note), 0, 1)

    def frame(self, *items: Item | bytes, about: PouchHead | None = None) -> bytes:
        """A pouch of items, or of bytes in their place."""
        raws = [item if isinstance(item, bytes) else pouch.encode_item(item) for item in items]
        return pouch.encode_pouch(about or self.about(), raws)

    def carry(self, frame: bytes, peer: str | None = None) -> list[Answer]:
        """Hand a frame to the recipient over the TLS connection of ``peer`` (us)."""
        answer = self.theirs.inbox.receive(peer or self.us, frame)
        _, start = pouch.parse_head(answer)
        return [pouch.parse_answer(raw) for raw in pouch.parse_items(answer, start)]

    def offer(self, *items: Item | bytes, about: PouchHead | None = None) -> list[Answer]:
        """Carry these items."""
        return self.carry(self.frame(*items, about=about))
