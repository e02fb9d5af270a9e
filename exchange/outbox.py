"""The outbox: what was submitted, and the delivery of each envelope to each recipient until a receipt is proven.

A message is submitted in one transaction with its entry; a receipt is stored in one transaction with its proof. Between them the
courier asks for a pouch, carries it, and hands the answer back here. (SPEC.md sections 4.2, 4.3)
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NamedTuple

from exchange import codes
from exchange.log import Log, Tx
from exchange.notice import Notice, Told, nobody
from exchange.peers import Peers
from exchange.ports import Clock, Random
from exchange.prekeyshelf import PrekeyShelf
from exchange.sealing import Draft, Sealed, Sealer
from exchange.store import Store
from exchange.writer import Writer
from keys.storage import StorageKey
from protocol import answers, cbor, delivery, limits, pouch
from protocol import codes as protocol_codes
from protocol.checkpoint import Head
from protocol.delivery import Event, State
from protocol.entries import Consigned, Lane, Place, Receipted, Refused, Submitted, TreeHead, Undelivered
from protocol.envelope import wrap_info
from protocol.errors import LocalError, PassingError, ProtocolError
from protocol.heads import HeadError
from protocol.ports import Sealing
from protocol.prekeyset import PeerKey

_ITEM_ROOM = 4096  # entry, path, wrap and frame of one item beside its envelope and body
_RETRY_FIRST, _RETRY_MOST = 1 * limits.SECOND, 5 * limits.MINUTE
_LATER_MOST = 1 * limits.HOUR  # whatever a peer asks for
_UPLOAD_GRACE = 3 * limits.DAY  # past the deadline: its window was judged when the body passed
_ASK_AGAIN = 60 * limits.SECOND  # while parts are uploaded; the upload's end asks at once


class Submission(NamedTuple):
    """A message that was accepted for delivery: from here on it is never lost."""

    hash: bytes
    message_id: bytes
    index: int  # type: ignore[assignment]  # hides tuple.index


@dataclass(frozen=True, slots=True)
class Row:
    """One delivery that is due."""

    id: int
    hash: bytes
    message_id: bytes
    state: State
    attempts: int
    envelope: bytes
    body: bytes
    index: int
    receipt: bytes | None
    time: int


class Checked(NamedTuple):
    """A receipt that passed A3 to A6, and the head that proves it: the answer's, or the closing head of an earlier log."""

    entry: Consigned | Refused
    head: Head


@dataclass(slots=True)
class Bag:
    """A pouch on its way: the frame, and which delivery each item belongs to."""

    peer: str
    lane: Lane
    rows: list[Row]
    frame: bytes
    head: Head
    uploads: dict[bytes, tuple[tuple[int, int], ...]] = field(default_factory=dict)
    more: bool = False


class Outbox:
    """Everything we send."""

    def __init__(
        self, store: Store, writer: Writer, log: Log, peers: Peers, shelf: PrekeyShelf, sealer: Sealer,
        storage: StorageKey, sealing: Sealing, clock: Clock, random: Random, directory_version: Callable[[], int],
    ) -> None:  # fmt: skip
        self._store, self._writer, self._log, self._peers, self._shelf = store, writer, log, peers, shelf
        self._sealer, self._storage, self._sealing = sealer, storage, sealing
        self._clock, self._random, self._directory_version = clock, random, directory_version
        self._wraps: dict[int, tuple[bytes, bytes]] = {}
        self._there: dict[str, int] = dict(store.reader().execute("SELECT authority, ours_there FROM peer").fetchall())
        self.on_queued: Callable[[str, Lane], None] = lambda peer, lane: None
        self.on_receipt: Told = nobody

    # -- submitting --------------------------------------------------------------------------------------------------------

    def seal(self, draft: Draft) -> Sealed:
        """Seal a letter (any thread). Raises what ``Sealer.seal`` raises."""
        return self._sealer.seal(draft, self._clock.now())

    def submit(self, sealed: Sealed, also: Callable[[Tx, Submission], None] | None = None) -> Future[Submission]:
        """Queue and log a sealed message in one transaction; ``also`` runs in it. Resolves when the proof can be spoken of."""
        future = self._writer.submit(lambda tx: self._insert(tx, sealed, also))
        future.add_done_callback(lambda done: self._announce(done, sealed))
        return future

    def _announce(self, done: Future[Submission], sealed: Sealed) -> None:
        if done.exception() is not None:
            return
        for recipient in sealed.envelope.recipients:
            self.on_queued(recipient, sealed.envelope.lane)

    def _insert(self, tx: Tx, sealed: Sealed, also: Callable[[Tx, Submission], None] | None) -> Submission:
        e = sealed.envelope
        index = tx.append(Submitted, e.hash, e.message_id, e.lane, e.expires, len(e.recipients))
        tx.db.execute(
            "INSERT INTO outgoing VALUES (?,?,?,?,?,?,?,?,?,?,?)",
            (e.hash, e.message_id, e.raw, sealed.body, int(e.lane), e.expires, tx.n, index, tx.time,
             sealed.conversation, sealed.sequence),
        )  # fmt: skip
        tx.db.execute("INSERT INTO secret VALUES (?,?)", (e.hash, self._storage.wrap(e.hash, sealed.secret)))
        tx.db.executemany(
            "INSERT INTO delivery (hash, recipient, lane, state, expires, due) VALUES (?,?,?,'queued',?,?)",
            [(e.hash, recipient, int(e.lane), e.expires, self._clock.now()) for recipient in e.recipients],
        )
        submission = Submission(e.hash, e.message_id, index)
        if also is not None:
            also(tx, submission)
        return submission

    # -- carrying ----------------------------------------------------------------------------------------------------------

    def next_due(self, peer: str, lane: Lane) -> int | None:
        """When (ms) something is next due for this peer and lane; None when nothing is open."""
        query = "SELECT min(due) FROM delivery WHERE recipient=? AND lane=? AND state IN ('queued','wanted')"
        return self._store.reader().execute(query, (peer, int(lane))).fetchone()[0]  # type: ignore[no-any-return]

    def hint(self, peer: str, size: int) -> bool:
        """A 409 says from which size our head must be linked. False when that is beyond our log: then ask for that head."""
        if size > self._log.head().size:
            return False
        self._there[peer] = size
        return True

    def bag(self, peer: str, lane: Lane) -> Bag | None:
        """A pouch of what is due, linked from the size of our log that the peer confirmed; None when nothing is due.

        Raises NO-PREKEY (passing) when an envelope waits for its wrap.
        """
        ours_there = self._there.get(peer, 0)
        head = self._log.head()
        rows, more = self._due(peer, lane, head)
        if not rows:
            return None
        key = self._key(peer) if any(row.state is State.QUEUED for row in rows) else None
        kept = [(row, item) for row in rows if (item := self._item(row, peer, key, head)) is not None]
        if not kept:
            return self.bag(peer, lane)
        rows, items = [row for row, _ in kept], [pouch.encode_item(item) for _, item in kept]
        offer = pouch.HeadOffer(ours_there, self._log.consistency(ours_there, head), head.note)
        about = pouch.PouchHead(lane, offer, self._peers.greatest(peer), self._directory_version())
        return Bag(peer, lane, rows, pouch.encode_pouch(about, items), head, more=more)

    def prepare(self, bag: Bag) -> None:
        """While this pouch is on its way: make the wraps of the next one, so that it can leave when the answer has come."""
        key = self._key(bag.peer)
        on_the_way = {row.id for row in bag.rows}
        query = (
            "SELECT d.id, d.hash, o.message_id, d.state, d.attempts, o.envelope, o.body, o.idx, d.receipt, o.time FROM delivery d"
            " JOIN outgoing o ON o.hash=d.hash WHERE d.recipient=? AND d.lane=? AND d.state='queued' AND d.due<=?"
            " ORDER BY d.due, d.id LIMIT ?"
        )
        most = len(bag.rows) + limits.POUCH_ITEMS
        for item in self._store.reader().execute(query, (bag.peer, int(bag.lane), self._clock.now(), most)).fetchall():
            row = _row(item)
            if row.id not in on_the_way:
                with suppress(LocalError):  # ``bag`` will meet it again, and set it aside
                    self._wrap(row, bag.peer, key)

    def _due(self, peer: str, lane: Lane, head: Head) -> tuple[list[Row], bool]:
        query = (
            "SELECT d.id, d.hash, o.message_id, d.state, d.attempts, o.envelope, o.body, o.idx, d.receipt, o.time FROM delivery d"
            " JOIN outgoing o ON o.hash=d.hash WHERE d.recipient=? AND d.lane=? AND d.state IN ('queued','wanted')"
            " AND d.due<=? AND o.idx<? ORDER BY d.due, d.id LIMIT ?"
        )
        now = self._clock.now()
        rows: list[Row] = []
        room = limits.POUCH - limits.POUCH_HEAD
        cursor = self._store.reader().execute(query, (peer, int(lane), now, head.size, limits.POUCH_ITEMS))
        for row in map(_row, cursor):
            room -= _ITEM_ROOM + (len(row.envelope) + len(row.body) if row.state is State.QUEUED else 0)
            if room < 0:
                return rows, True
            rows.append(row)
        return rows, len(rows) == limits.POUCH_ITEMS

    def _item(self, row: Row, peer: str, key: PeerKey | None, head: Head) -> pouch.Item | None:
        """The item of a delivery; None when its secret is gone or damaged: held for a human, so that it stops no other."""
        if row.state is State.WANTED or key is None:
            return pouch.Ask(row.hash)
        try:
            prekey_id, wrap = self._wrap(row, peer, key)
        except LocalError as error:
            query = "UPDATE delivery SET state='held', last_code=? WHERE id=? AND state='queued'"
            self._writer.run(partial(lambda tx, code: tx.db.execute(query, (code, row.id)), code=error.code.code))
            return None
        return pouch.EnvelopeItem(self._log.prove(row.index, head), row.envelope, prekey_id, wrap, row.body)

    def _key(self, peer: str) -> PeerKey:
        """The peer's freshest prekey. Raises NO-PREKEY (passing)."""
        key = self._shelf.freshest(peer, self._clock.now())
        if key is None:
            raise PassingError(codes.NO_PREKEY, peer, seconds=5)
        return key

    def _wrap(self, row: Row, peer: str, key: PeerKey) -> tuple[bytes, bytes]:
        """The wrap for this prekey: made at sending, and again when that key has ended."""
        kept = self._wraps.get(row.id)
        if kept is None or kept[0] != key.id:
            secret = self._secret(row.hash)
            info = wrap_info(row.envelope, peer, key.id)
            kept = self._wraps[row.id] = (key.id, self._sealing.seal(key.public, info, secret))
        return kept

    def _secret(self, envelope_hash: bytes) -> bytes:
        row = self._store.reader().execute("SELECT wrapped FROM secret WHERE hash=?", (envelope_hash,)).fetchone()
        if row is None:
            raise LocalError(codes.MESSAGE_ERASED)
        return self._storage.unwrap(envelope_hash, row[0])

    # -- answers -----------------------------------------------------------------------------------------------------------

    def take_answer(self, bag: Bag, frame: bytes) -> None:
        """Check an answer (A2 to A7) and store what it proves. Raises what makes the whole answer worthless; nothing changes then."""
        about, start = pouch.parse_head(frame)
        head = self._peers.verify(bag.peer, about.head.note)
        replies = [pouch.parse_answer(raw) for raw in pouch.parse_items(frame, start)]
        if len(replies) != len(bag.rows):
            raise ProtocolError(protocol_codes.ANSWER_FORM, f"{len(replies)} answers to {len(bag.rows)} items")
        try:
            self._peers.judge(head, about.head)
            proven = [self._check(bag.peer, row, reply, head) for row, reply in zip(bag.rows, replies, strict=True)]
            settled = self._writer.run(lambda tx: self._store_answers(tx, bag, about, head, replies, proven))
        except HeadError as error:
            self._writer.run(partial(self._peers.accuse, origin=head.origin, error=error))
            raise
        for row, _ in settled:
            self._wraps.pop(row.id, None)
        if settled:
            self.on_receipt([Notice(row.hash, row.message_id, bag.peer, bag.lane, state, row.time) for row, state in settled])

    def _check(self, peer: str, row: Row, reply: pouch.Answer, head: Head) -> Checked | ProtocolError | None:
        if not isinstance(reply, pouch.Receipt):
            return None
        sent = answers.Sent(row.hash, row.message_id, self._log.authority, row.receipt)
        try:
            if reply.closing is not None:  # logged before this peer changed its log
                head = self._peers.verify_closing(peer, reply.closing)
            return Checked(answers.check_receipt(reply, head, sent, lambda place: self._is_ours(row, place)), head)
        except ProtocolError as error:
            return error

    def _is_ours(self, row: Row, place: Place) -> bool:
        """Whether the place is that of an entry of ours that submits this envelope, under a head that we committed."""
        if place.n == self._log.n:
            return place.index == row.index and self._log.has_head(TreeHead(place.size, place.root))
        earlier = self._log.numbered(place.n)  # offered before a change of logs, answered after it
        return earlier.submits(place.index, row.hash) and earlier.has_head(TreeHead(place.size, place.root))

    def _store_answers(
        self, tx: Tx, bag: Bag, about: pouch.PouchHead, head: Head, replies: list[pouch.Answer],
        proven: list[Checked | ProtocolError | None],
    ) -> list[tuple[Row, State]]:  # fmt: skip
        self._peers.confirm(tx, head, about.head)
        if about.yours <= self._log.size and about.yours != self._there.get(bag.peer):
            self._there[bag.peer] = about.yours
            tx.db.execute(
                "INSERT INTO peer (authority, ours_there) VALUES (?,?) ON CONFLICT (authority)"
                " DO UPDATE SET ours_there=excluded.ours_there",
                (bag.peer, about.yours),
            )
        notes = {p.head.origin: self._peers.keep_note(tx, p.head) for p in proven if isinstance(p, Checked)}
        if any(isinstance(reply, pouch.Receipt | pouch.Wants) for reply in replies):
            self._peers.keep_note(tx, bag.head)  # receipts cite this head of ours; an exported proof is under the head cited
        settled = []
        for row, reply, checked in zip(bag.rows, replies, proven, strict=True):
            # an operator, the deadline or another answer may have moved it while this pouch was on its way
            state, receipt = tx.db.execute("SELECT state, receipt FROM delivery WHERE id=?", (row.id,)).fetchone()
            now = replace(row, state=State(state), receipt=receipt)
            if isinstance(checked, ProtocolError):
                self._postpone(tx, now, checked.code.code)
            elif checked is not None and isinstance(reply, pouch.Receipt):
                settled += self._receipt(tx, bag.peer, now, checked, reply.proven, notes[checked.head.origin])
            else:
                self._other(tx, bag, now, reply, head)
        return settled

    def _receipt(
        self, tx: Tx, peer: str, row: Row, checked: Checked, proven: pouch.Proven, note: int
    ) -> list[tuple[Row, State]]:
        entry, head = checked
        if row.receipt is not None and row.receipt != proven.entry:
            tx.db.execute("UPDATE delivery SET last_code=? WHERE id=?", (protocol_codes.ANSWER_CHANGED.code, row.id))
        state = delivery.after(row.state, Event.CONSIGNED if isinstance(entry, Consigned) else Event.REFUSED)
        if state is None:
            return []  # settled before: the first receipt stands
        tx.db.execute(
            "UPDATE delivery SET state=?, last_code=?, receipt=?, receipt_index=?, receipt_path=?, receipt_note=? WHERE id=?",
            (state, entry.reason if isinstance(entry, Refused) else "", proven.entry, proven.index, cbor.encode(proven.path),
             note, row.id),
        )  # fmt: skip
        n = int(head.origin.rpartition("/")[2])
        place = Place(n, proven.index, head.size, head.root)
        tx.append(Receipted, row.hash, entry.message_id, peer, place, hashlib.sha256(proven.entry).digest())
        return [(row, state)]

    def _other(self, tx: Tx, bag: Bag, row: Row, reply: pouch.Answer, head: Head) -> None:
        if row.state not in delivery.OPEN:
            return
        if isinstance(reply, pouch.Wants):
            state = delivery.TABLE[row.state, Event.WANTS]
            tx.db.execute(
                "UPDATE delivery SET state=?, due=?, last_code='' WHERE id=?", (state, self._clock.now() + _ASK_AGAIN, row.id)
            )
            bag.uploads[row.hash] = reply.parts
        elif isinstance(reply, pouch.Unknown):
            state = delivery.TABLE[row.state, Event.UNKNOWN]
            tx.db.execute("UPDATE delivery SET state=?, due=? WHERE id=?", (state, self._clock.now(), row.id))
        elif isinstance(reply, pouch.Later):
            due = self._clock.now() + min(reply.seconds * limits.SECOND, _LATER_MOST)
            if reply.prekeys is not None:
                self._take_prekeys(tx, bag.peer, reply.prekeys, head)
                due = self._clock.now()
            self._postpone(tx, row, reply.code, max(due, self._clock.now() + _RETRY_FIRST * min(row.attempts, 1)))
        elif isinstance(reply, pouch.Bad):
            self._postpone(tx, row, reply.code)

    def _take_prekeys(self, tx: Tx, peer: str, offer: pouch.PrekeyOffer, head: Head) -> None:
        try:
            self._shelf.take(tx, peer, int(head.origin.rpartition("/")[2]), offer, head, tx.time)
        except ProtocolError:
            return  # the set is not taken; the item waits, and the next question asks for prekeys again

    def _postpone(self, tx: Tx, row: Row, code: str, due: int | None = None) -> None:
        due = self._clock.now() + self._backoff(row.attempts) if due is None else due
        tx.db.execute(
            "UPDATE delivery SET attempts=attempts+1, last_code=?, due=? WHERE id=?", (code, due, row.id)
        )

    def _backoff(self, attempts: int) -> int:
        """Full jitter (ms): anywhere up to twice the last bound, from 1 s to 5 min."""
        bound = min(_RETRY_FIRST << min(attempts, 16), _RETRY_MOST)
        return int.from_bytes(self._random(4), "big") % bound

    def start_links(self, tx: Tx) -> None:
        """A log that no peer has seen yet: every peer is shown it from size 0."""
        tx.db.execute("UPDATE peer SET ours_there=0")
        self._there.clear()

    # -- without an answer ---------------------------------------------------------------------------------------------------

    def failed(self, bag: Bag, code: str) -> None:
        """The pouch could not be carried, or its answer was worthless: try again later, each with full jitter."""
        self._put_off(bag.rows, code)

    def unreached(self, peer: str, lane: Lane, code: str) -> None:
        """Not even a pouch could be made: that was an attempt for whatever is due."""
        self._put_off(self._due(peer, lane, self._log.head())[0], code)

    def _put_off(self, rows: list[Row], code: str) -> None:
        def postpone(tx: Tx) -> None:
            for row in rows:
                self._postpone(tx, row, code)

        self._writer.run(postpone)

    def hasten(self, peer: str) -> None:
        """The peer has shown that it is there: what waits for it is due now."""
        query = "UPDATE delivery SET due=? WHERE recipient=? AND state IN ('queued','wanted') AND due>?"
        self._writer.run(lambda tx: tx.db.execute(query, (self._clock.now(), peer, self._clock.now())))

    def uploaded(self, envelope_hash: bytes, peer: str) -> None:
        """All wanted parts were taken: ask for the receipt at once."""
        query = "UPDATE delivery SET due=? WHERE hash=? AND recipient=? AND state='wanted'"
        self._writer.run(lambda tx: tx.db.execute(query, (self._clock.now(), envelope_hash, peer)))

    def expire(self) -> int:
        """Log ``undelivered`` for every open delivery whose envelope has expired; how many. ``on_receipt`` is told of each."""
        settled = self._writer.run(self._expire)
        if settled:
            self.on_receipt(settled)
        return len(settled)

    def _expire(self, tx: Tx) -> list[Notice]:
        query = (
            "SELECT d.id, d.hash, o.message_id, d.recipient, d.attempts, d.last_code, o.lane, o.time FROM delivery d"
            " JOIN outgoing o ON o.hash=d.hash WHERE d.state IN ('queued','wanted','held') AND d.expires<=?"
            " AND (d.state!='wanted' OR d.expires<=?) LIMIT 256"
        )
        settled = []
        expired = tx.db.execute(query, (tx.time, tx.time - _UPLOAD_GRACE)).fetchall()
        for id_, hash_, message_id, recipient, attempts, last_code, lane, time in expired:
            tx.db.execute("UPDATE delivery SET state=? WHERE id=?", (State.UNDELIVERED, id_))
            tx.append(Undelivered, hash_, message_id, recipient, "expired", attempts, last_code)
            settled.append(Notice(hash_, message_id, recipient, Lane(lane), State.UNDELIVERED, time))
        return settled

    def settle(self, envelope_hash: bytes, recipient: str, event: Event) -> State:
        """An operator's hold, retry or reject. Raises MESSAGE-UNKNOWN, DELIVERY-STATE."""
        return self._writer.run(lambda tx: self._settle(tx, envelope_hash, recipient, event))

    def _settle(self, tx: Tx, envelope_hash: bytes, recipient: str, event: Event) -> State:
        query = (
            "SELECT d.id, d.state, d.attempts, d.last_code, o.message_id FROM delivery d JOIN outgoing o ON o.hash=d.hash"
            " WHERE d.hash=? AND d.recipient=?"
        )
        row = tx.db.execute(query, (envelope_hash, recipient)).fetchone()
        if row is None:
            raise LocalError(codes.MESSAGE_UNKNOWN)
        state = delivery.after(State(row[1]), event)
        if state is None:
            raise LocalError(codes.DELIVERY_STATE, f"{row[1]} and {event}")
        tx.db.execute("UPDATE delivery SET state=?, due=? WHERE id=?", (state, self._clock.now(), row[0]))
        if event is Event.REJECT:
            tx.append(Undelivered, envelope_hash, row[4], recipient, "rejected by an operator", row[2], row[3])
        return state


def _row(found: tuple[int, bytes, bytes, str, int, bytes, bytes, int, bytes | None, int]) -> Row:
    id_, hash_, message_id, state, attempts, envelope, body, index, receipt, time = found
    return Row(id_, hash_, message_id, State(state), attempts, envelope, body, index, receipt, time)
