"""The inbox: a pouch comes in, its head is judged, each item is judged alone, and what passed is committed before it is answered.

    1-4  the pouch: limits, TLS key, frame, head        refused whole, by HTTP status
    5-7  the item: parse, inclusion, bindings           *bad*: nothing kept
    8-14 the message: known, time, wrap, body, parts    ``refused`` or ``consigned`` in our log, or *wants* or *later*

Cryptography runs on the caller's thread, some items at a time: while the writer stores these, the next are judged. Each transaction
moves the head record first, then its messages and their entries. The numbers are those of SPEC.md section 4.1.

    caller   judge 1-64 ─┐  judge 65-128 ─┐  …      ─┐  answer: all under one head
    writer               └─ store 1-64    └─ store … ┘
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias, TypeVar

from exchange import codes
from exchange.evidence.partfiles import PartFiles
from exchange.evidence.spool import AGAIN, pending_full
from exchange.incoming.quarantine import Quarantine
from exchange.incoming.seen import Seen, Standing
from exchange.incoming.urgentquota import UrgentQuota
from exchange.log import Log, Tx
from exchange.notice import Notice, Told, nobody
from exchange.peering.links import Links
from exchange.peering.peers import Peers
from exchange.peering.prekeyshelf import PrekeyShelf
from exchange.peering.witness import Witness
from exchange.peering.witnessed import WitnessedHeads
from exchange.ports import Clock
from exchange.repeats import Repeats
from exchange.reserve import Reserve
from exchange.rightofway import RightOfWay
from exchange.rows import insert
from exchange.store import Store
from exchange.writer import TOGETHER, Writer, settle
from keys.storage import StorageKey
from protocol import arrival, body, cbor, limits, merkle, pouch
from protocol import codes as protocol_codes
from protocol.arrival import Arrived, Setting
from protocol.checkpoint import Head
from protocol.delivery import State
from protocol.entries import Consigned, Lane, Place, Refused
from protocol.errors import LocalError, PassingError, ProtocolError, RogatoryError
from protocol.heads import HeadError
from protocol.names import Origin
from protocol.ports import Sealing


@dataclass(frozen=True, slots=True)
class Passed:
    """An envelope whose body passed all checks; its other parts may still be wanted."""

    arrived: Arrived
    secret: bytes
    letter: body.Letter


@dataclass(frozen=True, slots=True)
class Failed:
    """An envelope that is refused for good, and the check that did it."""

    arrived: Arrived
    check: int
    error: ProtocolError


@dataclass(frozen=True, slots=True)
class Known:
    """An envelope that has its entry in a log of ours already."""

    n: int
    index: int
    hash: bytes


_OFFER_PREKEYS = frozenset({protocol_codes.WRAP_OPEN.code, protocol_codes.PREKEY_UNKNOWN.code})
T = TypeVar("T")
Outcome: TypeAlias = Passed | Failed | Known | pouch.Answer
Stored: TypeAlias = tuple[list[Outcome], list[Notice]]


class Inbox:
    """Everything that comes in."""

    def __init__(
        self, store: Store, writer: Writer, log: Log, peers: Peers, shelf: PrekeyShelf, files: PartFiles,
        storage: StorageKey, sealing: Sealing, clock: Clock, network_id: bytes, directory_version: Callable[[], int],
        reserve: Reserve, urgent: UrgentQuota, repeats: Repeats, heads: WitnessedHeads, witness: Witness, links: Links,
        way: RightOfWay,
    ) -> None:  # fmt: skip
        self._store, self._writer, self._log, self._peers, self._shelf = store, writer, log, peers, shelf
        self._files, self._storage, self._sealing, self._clock = files, storage, sealing, clock
        self._network_id, self._directory_version, self._reserve = network_id, directory_version, reserve
        self._repeats = repeats
        self._urgent, self._heads, self._witness, self._links, self._way = urgent, heads, witness, links, way
        self._quarantine = Quarantine(writer)
        self._us = log.authority
        self.on_consigned: Told = nobody
        self.on_opened: Callable[[str], None] = lambda peer: None
        self.on_version: Callable[[str, int], None] = lambda peer, version: None

    def receive(self, peer: str, frame: bytes) -> bytes:
        """Judge a pouch from this authority's TLS connection; the answer's frame.

        ``on_version`` is told of the peer's directory version before its head is judged: a head of a log that our directory does not
        list yet is refused, and the newer directory is what mends that. Raises for the whole pouch (checks 1 to 4): POUCH-*, HEAD-*,
        NOTE-*, CHECKPOINT-*, DIRECTORY-*, and STORE-* when nothing could be kept.
        """
        with self._way.on(pouch.peek_lane(frame)):
            return self._receive(peer, frame)

    def _receive(self, peer: str, frame: bytes) -> bytes:
        self._log.demand_open()
        about, start = pouch.parse_head(frame)
        self.on_version(peer, about.directory_version)
        head = self._peers.verify(peer, about.head.note, about.opened)
        try:
            self._peers.take_early(self._writer, head, about.head, len(frame))
            raws = pouch.parse_items(frame, start)
            self._links.told(peer, about.yours)
            setting = Setting(self._network_id, self._us, peer, about.lane, self._clock.now(), self._clock.sure())
            stored = self._take_in(about, head, setting, raws)
            lines = self._witness.with_answer(peer, head)
        except HeadError as error:
            self._peers.accuse(self._writer, head.origin, error)
            raise
        if about.opened is not None:
            self.on_opened(peer)
        self._heads.hear(head, about.witnessed)
        return self._answer(peer, about, raws, stored, lines)

    def _take_in(self, about: pouch.PouchHead, head: Head, setting: Setting, raws: list[bytes]) -> list[Outcome]:
        """Judge and store all items. What is new is told whatever becomes of the others: it rings also while nothing can be answered."""
        store = partial(self._store_outcomes, about=about, head=head, peer=setting.peer)
        urgent = about.lane is Lane.URGENT
        stored: list[Outcome] = []
        fresh: list[Notice] = []

        def take(raws: list[bytes], outcomes: list[Outcome], future: Future[Stored]) -> None:
            known, told = self._stored(store, setting.peer, raws, outcomes, future, urgent=urgent)
            stored.extend(known)
            fresh.extend(told)

        waits: list[Callable[[], None]] = []
        judged = self._judge_all(raws, setting, head)
        for at in range(0, max(1, len(raws)), TOGETHER):  # a pouch without items has a head all the same
            outcomes = judged[at : at + TOGETHER]
            future = self._writer.submit(partial(store, outcomes=outcomes), urgent=urgent)
            waits.append(partial(take, raws[at : at + TOGETHER], outcomes, future))
        try:
            settle(waits)
        finally:
            if fresh:
                self.on_consigned(fresh)
        return stored

    # -- the items ------------------------------------------------------------------------------------------------------------

    def _judge_all(self, raws: list[bytes], setting: Setting, head: Head) -> list[Outcome]:
        """Checks 5 to 13; what all items share is looked up once, and nothing that one of them is touches its neighbours."""
        tree = merkle.Tree(head.size, head.root)
        parsed = [self._alone(setting.peer, raw, partial(self._parse, raw, setting, tree)) for raw in raws]
        seen = Seen(self._store.reader(), setting.peer, [one.envelope for one in parsed if isinstance(one, Arrived)])

        def open_one(arrived: Arrived) -> Outcome:
            known = self._known(self._store.reader(), seen, arrived)
            return known if known is not None else self._open(arrived, setting)

        return [
            self._alone(setting.peer, raw, partial(open_one, one)) if isinstance(one, Arrived) else one
            for raw, one in zip(raws, parsed, strict=True)
        ]

    def _alone(self, peer: str, raw: bytes, judge: Callable[[], T]) -> T | pouch.Later:
        """Judge one item; a fault of ours is its own affair as well (POI-1)."""
        try:
            return judge()
        except (RogatoryError, sqlite3.Error):
            raise
        except Exception as error:  # noqa: BLE001 - whatever it was, the other items go on
            return self._quarantine.fault(peer, raw, error)

    def _parse(self, raw: bytes, setting: Setting, tree: merkle.Tree) -> Arrived | pouch.Answer | Known:
        """Checks 5 to 7 of one item, and what an *ask* is answered."""
        self._way.give(setting.lane)
        waiting = self._quarantine.answer(raw)
        if waiting is not None:
            return waiting
        check = 5
        try:
            arrived = arrival.check_5_parse(raw)
            if isinstance(arrived, pouch.Ask):
                return self._asked(arrived, setting.peer)
            check = 6
            arrival.check_6_inclusion(arrived, tree)
            check = 7
            arrival.check_7_bindings(arrived, setting)
        except ProtocolError as error:
            return pouch.Bad(check, error.code.code)
        return arrived

    def _open(self, arrived: Arrived, setting: Setting) -> Outcome:
        self._way.give(setting.lane)
        check = 9
        try:
            if not (setting.clock_sure and self._repeats.lost(arrived)):
                arrival.check_9_time(arrived.envelope, setting)
            check = 10
            arrival.check_10_recipient(arrived.envelope, setting)
            self._reserve.demand(arrived.envelope.lane, sum(part.length for part in arrived.envelope.parts))
            self._urgent.demand(arrived.envelope.lane, setting.peer, setting.now)
            check = 11
            secret = arrival.check_11_wrap(arrived, setting, self._shelf.own)
            check = 12
            plaintext = arrival.check_12_body(arrived, secret, self._sealing)
            check = 13
            letter = arrival.check_13_letter(arrived.envelope, plaintext)
        except PassingError as error:
            return pouch.Later(error.code.code, error.seconds)
        except ProtocolError as error:
            return Failed(arrived, check, error)
        return Passed(arrived, secret, letter)

    def _known(self, db: sqlite3.Connection, seen: Seen, arrived: Arrived) -> Known | pouch.Wants | Failed | None:
        """Check 8: the same envelope again gets its own entry again; another under the same id is refused."""
        standing = seen.standing(arrived.envelope)
        if standing is not None:
            return self._standing(db, arrived.envelope.hash, standing)
        if seen.has_id(arrived.envelope):
            return Failed(arrived, 8, ProtocolError(protocol_codes.DUPLICATE_CONFLICT))
        return None

    def _standing(self, db: sqlite3.Connection, envelope_hash: bytes, standing: Standing) -> Known | pouch.Wants:
        return self._wants(db, envelope_hash) if standing.index is None else Known(standing.n, standing.index, envelope_hash)

    def _asked(self, ask: pouch.Ask, peer: str) -> Known | pouch.Answer:
        db = self._store.reader()
        row = db.execute("SELECT state, n, idx FROM incoming WHERE hash=? AND sender=?", (ask.envelope_hash, peer)).fetchone()
        if row is None:
            return pouch.Unknown()
        return self._standing(db, ask.envelope_hash, Standing(*row))

    def _wants(self, db: sqlite3.Connection, envelope_hash: bytes) -> pouch.Wants:
        rows = db.execute("SELECT i FROM incoming_part WHERE hash=? AND done=0 ORDER BY i", (envelope_hash,))
        return pouch.Wants(tuple((i, self._files.held(envelope_hash, i)) for (i,) in rows.fetchall()))

    # -- the transaction ------------------------------------------------------------------------------------------------------

    def _stored(
        self, store: Callable[..., Stored], peer: str, raws: list[bytes], outcomes: list[Outcome], future: Future[Stored], *, urgent: bool
    ) -> Stored:
        """What came of storing these outcomes in one transaction; when that met a fault of ours, of each in its own, to find which did."""
        try:
            return self._writer.result(future)
        except (RogatoryError, sqlite3.Error):
            raise
        except Exception:  # noqa: BLE001 - as in ``_alone``
            return self._store_each(store, peer, raws, outcomes, urgent=urgent)

    def _store_each(
        self, store: Callable[..., Stored], peer: str, raws: list[bytes], outcomes: list[Outcome], *, urgent: bool
    ) -> Stored:
        stored: list[Outcome] = []
        fresh: list[Notice] = []
        for raw, outcome in zip(raws, outcomes, strict=True):
            try:
                one, told = self._writer.run(partial(store, outcomes=[outcome]), urgent=urgent)
            except (RogatoryError, sqlite3.Error):
                raise
            except Exception as error:  # noqa: BLE001 - as in ``_alone``
                one, told = [self._quarantine.fault(peer, raw, error)], []
            stored += one
            fresh += told
        return stored, fresh

    def _store_outcomes(
        self, tx: Tx, about: pouch.PouchHead, head: Head, peer: str, outcomes: list[Outcome]
    ) -> Stored:
        self._peers.confirm(tx, head, about.head)
        new = [outcome.arrived.envelope for outcome in outcomes if isinstance(outcome, Passed | Failed)]
        batch = _Batch(head, self._peers.keep_note(tx, head) if new else 0, Seen(tx.db, peer, new))
        stored = [self._store_outcome(tx, outcome, batch, peer) for outcome in outcomes]
        batch.flush(tx.db)
        return stored, batch.fresh

    def _store_outcome(self, tx: Tx, outcome: Outcome, batch: _Batch, peer: str) -> Outcome:
        if isinstance(outcome, Known):
            return self._again(tx, outcome)
        if not isinstance(outcome, Passed | Failed):
            return outcome
        known = self._known(tx.db, batch.seen, outcome.arrived)
        if isinstance(known, Failed) and not isinstance(outcome, Failed):
            outcome = known
        elif known is not None and not isinstance(known, Failed):
            return self._again(tx, known) if isinstance(known, Known) else known
        if isinstance(outcome, Failed):
            return self._refuse(tx, outcome, batch, peer)
        return self._take(tx, outcome, batch, peer)

    def _again(self, tx: Tx, known: Known) -> Known:
        return Known(*self._repeats.say_again(tx, known.n, known.index), known.hash)

    def _take(self, tx: Tx, passed: Passed, batch: _Batch, peer: str) -> Outcome:
        e, pending = passed.arrived.envelope, len(passed.arrived.envelope.parts) > 1
        if pending and pending_full(tx.db, peer, len(e.parts) - 1):
            return pouch.Later(codes.PEER_QUOTA.code, AGAIN)
        index = None if pending else tx.append(Consigned, e.hash, e.message_id, peer, batch.place(passed.arrived))
        if self._repeats.lost(passed.arrived):
            self._repeats.note(tx, e.hash)
        batch.add(tx, passed.arrived, "pending" if pending else "consigned", index, passed.letter)
        batch.secrets.append((e.message_id, e.hash, self._storage.wrap(e.hash, passed.secret)))
        if index is not None:
            batch.fresh.append(_notice(passed.arrived, tx.time))
            return Known(tx.n, index, e.hash)
        batch.flush(tx.db)  # those that are pending are counted when the next one comes
        tx.db.executemany(
            "INSERT INTO incoming_part (hash, i, digest, length) VALUES (?,?,?,?)",
            [(e.hash, i, part.digest, part.length) for i, part in enumerate(e.parts[1:], 1)],
        )
        return self._wants(tx.db, e.hash)

    def _refuse(self, tx: Tx, failed: Failed, batch: _Batch, peer: str) -> Outcome:
        e, code = failed.arrived.envelope, failed.error.code.code
        if failed.error.code is protocol_codes.WRAP_OPEN and self._try_again(tx, e.hash):
            return pouch.Later(code, 1)
        if not self._may_refuse(tx, peer):
            return pouch.Later(codes.PEER_QUOTA.code, 3600)
        index = tx.append(Refused, e.hash, e.message_id, peer, batch.place(failed.arrived), code, failed.check)
        batch.add(tx, failed.arrived, "refused", index, None)
        return Known(tx.n, index, e.hash)

    def _try_again(self, tx: Tx, envelope_hash: bytes) -> bool:
        """Count a wrap that did not open; whether another may be tried."""
        tx.db.execute(
            "INSERT INTO wrap_try VALUES (?,1) ON CONFLICT (hash) DO UPDATE SET tries=tries+1", (envelope_hash,)
        )
        tries = tx.db.execute("SELECT tries FROM wrap_try WHERE hash=?", (envelope_hash,)).fetchone()[0]
        return bool(tries < limits.WRAP_TRIES)

    def _may_refuse(self, tx: Tx, peer: str) -> bool:
        day = tx.time // limits.DAY
        tx.db.execute(
            "INSERT INTO refusal_count VALUES (?,?,1) ON CONFLICT (peer, day) DO UPDATE SET count=count+1", (peer, day)
        )
        count = tx.db.execute("SELECT count FROM refusal_count WHERE peer=? AND day=?", (peer, day)).fetchone()[0]
        return bool(count <= limits.REFUSALS_PER_DAY)

    # -- the answer -------------------------------------------------------------------------------------------------------------

    def _answer(self, peer: str, about: pouch.PouchHead, raws: list[bytes], outcomes: list[Outcome], lines: bytes | None) -> bytes:
        """Answers in the order of the items, receipts proven under our head of now, linked from the one the peer has."""
        head = self._log.head()
        mine = {one.index for one in outcomes if isinstance(one, Known) and one.n == self._log.n}
        proven = self._log.prove_all(mine, head)
        answers = [
            pouch.encode_answer(self._alone(peer, raw, partial(self._reply, outcome, proven, head)))
            for raw, outcome in zip(raws, outcomes, strict=True)
        ]
        opened, told = self._log.introduction(head), self._heads.tell(peer, head)
        offer = self._links.answer(peer, about.lane, about.yours, head)  # now: the other lane may have answered meanwhile
        ours = pouch.PouchHead(
            about.lane, offer, self._peers.greatest(peer), self._directory_version(), told, lines, opened=opened
        )
        return pouch.encode_pouch(ours, answers)

    def _reply(self, outcome: Outcome, proven: Mapping[int, pouch.Proven], head: Head) -> pouch.Answer:
        if isinstance(outcome, Known):
            if outcome.n != self._log.n:  # proven for ever under its own log's closing head
                return _about(outcome, pouch.Receipt(*self._log.numbered(outcome.n).prove_closed(outcome.index)))
            return _about(outcome, pouch.Receipt(proven[outcome.index]))
        if isinstance(outcome, pouch.Later):
            if outcome.code in _OFFER_PREKEYS:
                return pouch.Later(outcome.code, outcome.seconds, self._shelf.offer(head))
            return outcome
        if isinstance(outcome, Passed | Failed):
            raise AssertionError("an outcome that was not stored")
        return outcome


class _Batch:
    """What some items add, written by a few statements at their end. ``seen`` knows it at once."""

    def __init__(self, head: Head, note: int, seen: Seen) -> None:
        self.seen = seen
        self.secrets: list[tuple[bytes, bytes, bytes]] = []
        self.fresh: list[Notice] = []
        self._head, self._n, self._note = head, Origin.parse(head.origin).n, note
        self._rows: list[tuple[object, ...]] = []

    def place(self, arrived: Arrived) -> Place:
        """Where the sender's entry was proven."""
        return Place(self._n, arrived.item.origin.index, self._head.size, self._head.root)

    def add(self, tx: Tx, arrived: Arrived, state: str, index: int | None, letter: body.Letter | None) -> None:
        """A message; its letter when its body passed."""
        e, origin = arrived.envelope, arrived.item.origin
        self._rows.append(
            (e.hash, e.sender, e.message_id, e.raw, arrived.item.body if letter else b"", int(e.lane), state, tx.time,
             origin.entry, self._n, origin.index, cbor.encode(origin.path), self._note, tx.n, index,
             letter.conversation if letter else None, letter.sequence if letter else None,
             letter.answers if letter else None)
        )  # fmt: skip
        self.seen.add(e, Standing(state, tx.n, index))

    def flush(self, db: sqlite3.Connection) -> None:
        """Write what was added since the last time."""
        insert(db, "incoming", self._rows)
        insert(db, "secret", self.secrets)
        marks = ",".join("?" * len(self.secrets))
        db.execute(f"DELETE FROM wrap_try WHERE hash IN ({marks})", [hash_ for _, hash_, _ in self.secrets])  # noqa: S608 - question marks
        self._rows.clear()
        self.secrets.clear()


def _about(known: Known, receipt: pouch.Receipt) -> pouch.Receipt:
    """The receipt, which is about this very envelope. Raises INVARIANT (I3)."""
    if known.hash not in receipt.proven.entry:
        raise LocalError(codes.INVARIANT, f"I3: entry {known.index} of log {known.n} is not about {known.hash.hex()}")
    return receipt


def _notice(arrived: Arrived, time: int) -> Notice:
    e = arrived.envelope
    return Notice(e.hash, e.message_id, e.sender, e.lane, State.DELIVERED, time)
