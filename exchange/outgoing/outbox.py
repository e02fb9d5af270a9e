"""The outbox: what was submitted, and pouches of what is due.

A message is submitted in one transaction with its entry. From then on the courier asks here for a pouch, carries it, and hands the answer
to ``answers``; what has no answer is the business of ``retries`` and ``deadletters``. (SPEC.md section 4.3)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from functools import partial
from typing import NamedTuple

from exchange import codes
from exchange.bag import Bag, Heard, Row
from exchange.log import Log, Tx
from exchange.outgoing.due import Due
from exchange.outgoing.sealing import Draft, Sealed, Sealer
from exchange.outgoing.wraps import Wraps
from exchange.peering.links import Links
from exchange.peering.peers import Peers
from exchange.peering.prekeyshelf import PrekeyShelf
from exchange.peering.witnessed import WitnessedHeads
from exchange.ports import Clock
from exchange.rightofway import RightOfWay
from exchange.writer import Writer
from keys.storage import StorageKey
from protocol import limits, merkle, pouch
from protocol.checkpoint import Head
from protocol.delivery import State
from protocol.entries import Lane, Submitted
from protocol.errors import LocalError, PassingError
from protocol.prekeyset import PeerKey

_DELIVERY = "delivery (message, hash, recipient, lane, state, expires, due)"  # columns that a new one has


class Submission(NamedTuple):
    """A message that was accepted for delivery: from here on it is never lost."""

    hash: bytes
    message_id: bytes
    index: int  # type: ignore[assignment]  # hides tuple.index


class Outbox:
    """Takes messages in, and packs them for the courier."""

    def __init__(
        self, writer: Writer, log: Log, peers: Peers, shelf: PrekeyShelf, sealer: Sealer, storage: StorageKey, links: Links,
        wraps: Wraps, due: Due, clock: Clock, directory_version: Callable[[], int], heads: WitnessedHeads, way: RightOfWay,
    ) -> None:  # fmt: skip
        self._writer, self._log, self._peers, self._shelf = writer, log, peers, shelf
        self._sealer, self._storage, self._links, self._wraps, self._due = sealer, storage, links, wraps, due
        self._clock, self._directory_version, self._heads, self._way = clock, directory_version, heads, way
        self.on_queued: Callable[[str, Lane], None] = lambda peer, lane: None

    # -- submitting --------------------------------------------------------------------------------------------------------

    def seal(self, draft: Draft) -> Sealed:
        """Seal a letter (any thread). Raises what ``Sealer.seal`` raises."""
        self._way.give(draft.lane)
        with self._way.on(draft.lane):
            return self._sealer.seal(draft, self._clock.now())

    def submit(self, sealed: Sealed, also: Callable[[Tx, Submission], None] | None = None) -> Future[Submission]:
        """Queue and log a sealed message in one transaction; ``also`` runs in it. Resolves when the proof can be spoken of."""
        urgent = sealed.envelope.lane is Lane.URGENT
        wrapped = self._storage.wrap(sealed.envelope.hash, sealed.secret)
        future = self._writer.submit(lambda tx: self._insert(tx, sealed, wrapped, also), urgent=urgent)
        if urgent:
            self._way.enter()
            future.add_done_callback(lambda _: self._way.leave())
        future.add_done_callback(lambda done: self._announce(done, sealed))
        return future

    def _announce(self, done: Future[Submission], sealed: Sealed) -> None:
        if done.cancelled() or done.exception() is not None:  # who asked may have gone away before its turn came
            return
        for recipient in sealed.envelope.recipients:
            self.on_queued(recipient, sealed.envelope.lane)

    def _insert(self, tx: Tx, sealed: Sealed, wrapped: bytes, also: Callable[[Tx, Submission], None] | None) -> Submission:
        e = sealed.envelope
        index = tx.append(Submitted, e.hash, e.message_id, e.lane, e.expires, len(e.recipients))
        row = tx.n << 40 | index
        tx.insert(
            "outgoing", row, e.hash, e.message_id, e.raw, sealed.body, int(e.lane), e.expires, tx.n, index, tx.time,
            sealed.conversation, sealed.sequence,
        )  # fmt: skip
        tx.insert("secret", e.message_id, e.hash, wrapped)
        for recipient in e.recipients:
            tx.insert(_DELIVERY, row, e.hash, recipient, int(e.lane), State.QUEUED.value, e.expires, self._clock.now())
        submission = Submission(e.hash, e.message_id, index)
        if also is not None:
            also(tx, submission)
        return submission

    # -- carrying ----------------------------------------------------------------------------------------------------------

    def bag(self, peer: str, lane: Lane, most: int = limits.POUCH_ITEMS) -> Bag | None:
        """A pouch of at most ``most`` items of what is due, ready to leave; None when nothing is due.

        Raises NO-PREKEY (passing) when an envelope waits for its wrap.
        """
        rows: list[Row] | None = None
        with self._way.on(lane):
            while rows is None or rows:
                head = self._log.head()
                rows, more = self._due.rows(peer, lane, head.size, most)
                packed = self._pack(peer, lane, head, rows, more=more)
                if packed is not None:
                    return self.address(packed)
        return None

    def ahead(self, bag: Bag, most: int = limits.POUCH_ITEMS) -> Bag | None:
        """While this pouch is on its way: the full one after it, to be addressed when the answer has come; None when there is none.

        What does not fill it waits for what may still come in, and what is urgent goes when it is due: of these only the wraps are made,
        which take longest. Raises as ``bag``.
        """
        head = self._log.head()
        rows, more = self._due.rows(bag.peer, bag.lane, head.size, most, [row.id for row in bag.rows])
        if more and bag.lane is Lane.ROUTINE:
            return self._pack(bag.peer, bag.lane, head, rows, more=True)
        key = self._key(bag.peer, bag.lane) if rows else None
        if key is not None:
            self._wraps.make((row for row in rows if row.state is State.QUEUED), bag.peer, key)
        return None

    def beside(self, bag: Bag) -> Bag | None:
        """What else is due while the answer to this pouch is being taken, to be addressed; None when nothing is. Raises as ``bag``."""
        with self._way.on(bag.lane):
            head = self._log.head()
            rows, more = self._due.rows(bag.peer, bag.lane, head.size, beside=[row.id for row in bag.rows])
            return self._pack(bag.peer, bag.lane, head, rows, more=more) if rows else None

    def address(self, bag: Bag, heard: Heard | None = None) -> Bag:
        """The frame of what was packed, its head linked from what the peer has confirmed by now. ``heard``: by an answer not taken yet."""
        peer, greatest = bag.peer, self._peers.greatest(bag.peer)
        if heard is not None:
            self._links.told(peer, heard.ours_there)
            greatest = max(greatest, heard.theirs)
        offer = self._links.offer(peer, bag.lane, bag.head)
        opened, told = self._log.introduction(bag.head), self._heads.tell(peer, bag.head)
        about = pouch.PouchHead(bag.lane, offer, greatest, self._directory_version(), told, opened=opened)
        bag.about = pouch.encode_head(about)
        return bag

    def _pack(self, peer: str, lane: Lane, head: Head, rows: list[Row], *, more: bool) -> Bag | None:
        """These deliveries as items under this head; None when none of them can be sent."""
        queued = [row for row in rows if row.state is State.QUEUED]
        key = self._key(peer, lane) if queued else None
        if key is not None:
            self._wraps.make(queued, peer, key)
        paths = merkle.inclusions([row.index for row in queued], head.size, self._log)
        kept = [(row, item) for row in rows if (item := self._item(row, peer, key, paths)) is not None]
        if not kept:
            return None
        rows, items = [row.packed() for row, _ in kept], [pouch.encode_item(item) for _, item in kept]
        if key is not None and lane is Lane.URGENT:
            self._shelf.mark(self._writer, peer, key, [row.hash for row in rows if row.state is State.QUEUED])
        return Bag(peer, lane, rows, items, head, more)

    def greeting(self, peer: str) -> bytes | None:
        """A pouch without items, that shows a peer the log which we opened ahead of the directory; None when there is nothing to show."""
        head = self._log.head()
        opened = self._log.introduction(head)
        if opened is None:
            return None
        offer = pouch.HeadOffer(0, (), head.note)
        about = pouch.PouchHead(Lane.ROUTINE, offer, self._peers.greatest(peer), self._directory_version(), opened=opened)
        return pouch.encode_pouch(about, [])

    def _item(self, row: Row, peer: str, key: PeerKey | None, paths: Mapping[int, pouch.Path]) -> pouch.Item | None:
        """The item of a delivery; None when its secret is gone or damaged: held for a human, so that it stops no other."""
        self._way.give(row.lane)
        if row.state is State.WANTED or key is None:
            return pouch.Ask(row.hash)
        try:
            wrap = self._wraps.wrap(row, peer, key)
        except LocalError as error:
            query = "UPDATE delivery SET state='held', last_code=? WHERE id=? AND state='queued'"
            self._writer.run(partial(lambda tx, code: tx.db.execute(query, (code, row.id)), code=error.code.code))
            return None
        proven = pouch.Proven(row.entry, row.index, paths[row.index])
        return pouch.EnvelopeItem(proven, row.envelope, key.id, wrap, row.body, row.receipt)

    def _key(self, peer: str, lane: Lane) -> PeerKey:
        """The peer's freshest prekey under a witnessed head; urgent makes do with a logged one. Raises NO-PREKEY (passing)."""
        key = self._shelf.freshest(peer, self._clock.now())
        if key is None and lane is Lane.URGENT:
            key = self._shelf.freshest(peer, self._clock.now(), logged=True)
        if key is None:
            raise PassingError(codes.NO_PREKEY, peer, seconds=5)
        return key
