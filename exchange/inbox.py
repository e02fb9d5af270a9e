"""The inbox: a pouch comes in, its head is judged, each item is judged alone, and what passed is committed before it is answered.

    1-4  the pouch: limits, TLS key, frame, head        refused whole, by HTTP status
    5-7  the item: parse, inclusion, bindings           *bad*: nothing kept
    8-14 the message: known, time, wrap, body, parts    ``refused`` or ``consigned`` in our log, or *wants* or *later*

Cryptography runs on the caller's thread; one transaction per pouch moves the head record, the messages and the entries.
The numbers are those of SPEC.md section 4.1.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from exchange import codes
from exchange.log import Log, Tx
from exchange.notice import Notice, Told, nobody
from exchange.partfiles import PartFiles
from exchange.peers import Peers
from exchange.ports import Clock
from exchange.prekeyshelf import PrekeyShelf
from exchange.reserve import Reserve
from exchange.store import Store
from exchange.writer import Writer
from keys.storage import StorageKey
from protocol import arrival, body, cbor, limits, pouch
from protocol import codes as protocol_codes
from protocol.arrival import Arrived, Setting
from protocol.checkpoint import Head
from protocol.delivery import State
from protocol.entries import Consigned, Place, Refused
from protocol.errors import PassingError, ProtocolError
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


_OFFER_PREKEYS = frozenset({protocol_codes.WRAP_OPEN.code, protocol_codes.PREKEY_UNKNOWN.code})
Outcome: TypeAlias = Passed | Failed | Known | pouch.Answer


class Inbox:
    """Everything that comes in."""

    def __init__(
        self, store: Store, writer: Writer, log: Log, peers: Peers, shelf: PrekeyShelf, files: PartFiles,
        storage: StorageKey, sealing: Sealing, clock: Clock, network_id: bytes, directory_version: Callable[[], int],
        reserve: Reserve,
    ) -> None:  # fmt: skip
        self._store, self._writer, self._log, self._peers, self._shelf = store, writer, log, peers, shelf
        self._files, self._storage, self._sealing, self._clock = files, storage, sealing, clock
        self._network_id, self._directory_version, self._reserve = network_id, directory_version, reserve
        self._us = log.authority
        self.on_consigned: Told = nobody
        self.on_version: Callable[[str, int], None] = lambda peer, version: None

    def receive(self, peer: str, frame: bytes) -> bytes:
        """Judge a pouch from this authority's TLS connection; the answer's frame.

        ``on_version`` is told of the peer's directory version before its head is judged: a head of a log that our directory does not
        list yet is refused, and the newer directory is what mends that. Raises for the whole pouch (checks 1 to 4): POUCH-*, HEAD-*,
        NOTE-*, CHECKPOINT-*, DIRECTORY-*, and STORE-* when nothing could be kept.
        """
        about, start = pouch.parse_head(frame)
        self.on_version(peer, about.directory_version)
        head = self._peers.verify(peer, about.head.note)
        raws = pouch.parse_items(frame, start)
        try:
            self._peers.judge(head, about.head)
            setting = Setting(self._network_id, self._us, peer, about.lane, self._clock.now(), self._clock.sure())
            outcomes = [self._judge(raw, setting, head) for raw in raws]
            fresh: list[Notice] = []
            stored = self._writer.run(lambda tx: self._store_outcomes(tx, about, head, peer, outcomes, fresh))
        except HeadError as error:
            self._writer.run(partial(self._peers.accuse, origin=head.origin, error=error))
            raise
        answer = self._answer(peer, about, stored)
        if fresh:
            self.on_consigned(fresh)
        return answer

    # -- one item -------------------------------------------------------------------------------------------------------------

    def _judge(self, raw: bytes, setting: Setting, head: Head) -> Outcome:
        """Checks 5 to 13 of one item. What fails here never touches its neighbours."""
        check = 5
        try:
            arrived = arrival.check_5_parse(raw)
            if isinstance(arrived, pouch.Ask):
                return self._asked(arrived, setting.peer)
            check = 6
            arrival.check_6_inclusion(arrived, head)
            check = 7
            arrival.check_7_bindings(arrived, setting)
        except ProtocolError as error:
            return pouch.Bad(check, error.code.code)
        known = self._known(self._store.reader(), arrived, setting.peer)
        return known if known is not None else self._open(arrived, setting)

    def _open(self, arrived: Arrived, setting: Setting) -> Outcome:
        check = 9
        try:
            arrival.check_9_time(arrived.envelope, setting)
            check = 10
            arrival.check_10_recipient(arrived.envelope, setting)
            self._reserve.demand(arrived.envelope.lane, sum(part.length for part in arrived.envelope.parts))
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

    def _known(self, db: sqlite3.Connection, arrived: Arrived, peer: str) -> Outcome | None:
        """Check 8: the same envelope again gets its own entry again; another under the same id is refused."""
        e = arrived.envelope
        row = db.execute("SELECT state, n, idx FROM incoming WHERE hash=?", (e.hash,)).fetchone()
        if row is not None:
            return self._wants(db, e.hash) if row[0] == "pending" else Known(row[1], row[2])
        query = "SELECT 1 FROM incoming WHERE sender=? AND message_id=? AND state!='refused'"
        if db.execute(query, (peer, e.message_id)).fetchone() is not None:
            return Failed(arrived, 8, ProtocolError(protocol_codes.DUPLICATE_CONFLICT))
        return None

    def _asked(self, ask: pouch.Ask, peer: str) -> Outcome:
        db = self._store.reader()
        row = db.execute("SELECT state, n, idx FROM incoming WHERE hash=? AND sender=?", (ask.envelope_hash, peer)).fetchone()
        if row is None:
            return pouch.Unknown()
        return self._wants(db, ask.envelope_hash) if row[0] == "pending" else Known(row[1], row[2])

    def _wants(self, db: sqlite3.Connection, envelope_hash: bytes) -> pouch.Wants:
        rows = db.execute("SELECT i FROM incoming_part WHERE hash=? AND done=0 ORDER BY i", (envelope_hash,))
        return pouch.Wants(tuple((i, self._files.held(envelope_hash, i)) for (i,) in rows.fetchall()))

    # -- the transaction ------------------------------------------------------------------------------------------------------

    def _store_outcomes(
        self, tx: Tx, about: pouch.PouchHead, head: Head, peer: str, outcomes: list[Outcome], fresh: list[Notice]
    ) -> list[Outcome]:
        self._peers.confirm(tx, head, about.head)
        new = [outcome for outcome in outcomes if isinstance(outcome, Passed | Failed)]
        note = self._peers.keep_note(tx, head) if new else 0
        return [self._store_outcome(tx, outcome, head, note, peer, fresh) for outcome in outcomes]

    def _store_outcome(
        self, tx: Tx, outcome: Outcome, head: Head, note: int, peer: str, fresh: list[Notice]
    ) -> Outcome:
        if not isinstance(outcome, Passed | Failed):
            return outcome
        known = self._known(tx.db, outcome.arrived, peer)
        if isinstance(known, Failed) and not isinstance(outcome, Failed):
            outcome = known
        elif known is not None and not isinstance(known, Failed):
            return known
        if isinstance(outcome, Failed):
            return self._refuse(tx, outcome, head, note, peer)
        taken = self._take(tx, outcome, head, note, peer)
        if isinstance(taken, Known):
            fresh.append(_notice(outcome.arrived, tx.time))
        return taken

    def _take(self, tx: Tx, passed: Passed, head: Head, note: int, peer: str) -> Outcome:
        e, letter = passed.arrived.envelope, passed.letter
        pending = len(e.parts) > 1
        index = None if pending else tx.append(Consigned, e.hash, e.message_id, peer, self._place(passed.arrived, head))
        self._insert(tx, passed.arrived, head, note, "pending" if pending else "consigned", index, letter)
        tx.db.execute("INSERT INTO secret VALUES (?,?)", (e.hash, self._storage.wrap(e.hash, passed.secret)))
        tx.db.execute("DELETE FROM wrap_try WHERE hash=?", (e.hash,))
        if index is not None:
            return Known(tx.n, index)
        tx.db.executemany(
            "INSERT INTO incoming_part (hash, i, digest, length) VALUES (?,?,?,?)",
            [(e.hash, i, part.digest, part.length) for i, part in enumerate(e.parts[1:], 1)],
        )
        return self._wants(tx.db, e.hash)

    def _refuse(self, tx: Tx, failed: Failed, head: Head, note: int, peer: str) -> Outcome:
        e, code = failed.arrived.envelope, failed.error.code.code
        if failed.error.code is protocol_codes.WRAP_OPEN and self._try_again(tx, e.hash):
            return pouch.Later(code, 1)
        if not self._may_refuse(tx, peer):
            return pouch.Later(codes.PEER_QUOTA.code, 3600)
        place = self._place(failed.arrived, head)
        index = tx.append(Refused, e.hash, e.message_id, peer, place, code, failed.check)
        self._insert(tx, failed.arrived, head, note, "refused", index, None)
        return Known(tx.n, index)

    def _insert(
        self, tx: Tx, arrived: Arrived, head: Head, note: int, state: str, index: int | None, letter: body.Letter | None
    ) -> None:
        e, origin = arrived.envelope, arrived.item.origin
        tx.db.execute(
            "INSERT INTO incoming VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
            (e.hash, e.sender, e.message_id, e.raw, arrived.item.body if letter else b"", int(e.lane), state, tx.time,
             origin.entry, Origin.parse(head.origin).n, origin.index, cbor.encode(origin.path), note, tx.n, index,
             letter.conversation if letter else None, letter.sequence if letter else None,
             letter.answers if letter else None),
        )  # fmt: skip

    def _place(self, arrived: Arrived, head: Head) -> Place:
        return Place(Origin.parse(head.origin).n, arrived.item.origin.index, head.size, head.root)

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

    def _answer(self, peer: str, about: pouch.PouchHead, outcomes: list[Outcome]) -> bytes:
        """Answers in the order of the items, receipts proven under our head of now, linked from the one the peer has."""
        head = self._log.head()
        old = about.yours if about.yours <= head.size else 0
        offer = pouch.HeadOffer(old, self._log.consistency(old, head), head.note)
        ours = pouch.PouchHead(about.lane, offer, self._peers.greatest(peer), self._directory_version())
        return pouch.encode_pouch(ours, [pouch.encode_answer(self._reply(outcome, head)) for outcome in outcomes])

    def _reply(self, outcome: Outcome, head: Head) -> pouch.Answer:
        if isinstance(outcome, Known):
            if outcome.n != self._log.n:  # proven for ever under its own log's closing head
                return pouch.Receipt(*self._log.numbered(outcome.n).prove_closed(outcome.index))
            return pouch.Receipt(self._log.prove(outcome.index, head))
        if isinstance(outcome, pouch.Later):
            if outcome.code in _OFFER_PREKEYS:
                return pouch.Later(outcome.code, outcome.seconds, self._shelf.offer(head))
            return outcome
        if isinstance(outcome, Passed | Failed):
            raise AssertionError("an outcome that was not stored")
        return outcome


def _notice(arrived: Arrived, time: int) -> Notice:
    e = arrived.envelope
    return Notice(e.hash, e.message_id, e.sender, e.lane, State.DELIVERED, time)
