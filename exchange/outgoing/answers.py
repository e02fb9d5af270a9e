"""Answers: what came back for a pouch is checked item by item, and what it proves is stored in one transaction with its entry.

(SPEC.md section 4.2)
"""

from __future__ import annotations

import hashlib
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from exchange import oddities
from exchange.bag import Bag, Heard, Row
from exchange.log import Log, Tx
from exchange.notice import Notice, Told, nobody
from exchange.outgoing.receipts import Checked, Receipts, Reply
from exchange.outgoing.retries import Retries
from exchange.outgoing.wraps import Wraps
from exchange.peering.links import Links
from exchange.peering.peers import Peers
from exchange.peering.prekeyshelf import PrekeyShelf
from exchange.peering.witnessed import WitnessedHeads
from exchange.ports import Clock
from exchange.repeats import Repeats
from exchange.rightofway import RightOfWay
from exchange.writer import TOGETHER, Writer, settle
from protocol import cbor, codes, delivery, limits, pouch
from protocol.checkpoint import Head
from protocol.delivery import Event, State
from protocol.entries import Consigned, Lane, Place, Receipted, Refused
from protocol.errors import ProtocolError, RogatoryError
from protocol.heads import HeadError

_RECEIPT = ("state", "last_code", "receipt", "receipt_index", "receipt_path", "receipt_note")  # columns of a delivery
_ASK_AGAIN = 60 * limits.SECOND  # while parts are uploaded; the upload's end asks at once


class _Item(NamedTuple):
    """One answer and the delivery that it is to; what its receipt was found to be, when it is one."""

    row: Row
    raw: bytes
    reply: Reply
    checked: Checked | ProtocolError | None


class Answers:
    """Takes answers. ``on_settled`` is told of every delivery that a receipt has ended or *bad* answers have held."""

    def __init__(
        self, writer: Writer, log: Log, peers: Peers, shelf: PrekeyShelf, links: Links, wraps: Wraps, retries: Retries, clock: Clock,
        repeats: Repeats, heads: WitnessedHeads, way: RightOfWay,
    ) -> None:  # fmt: skip
        self._writer, self._log, self._peers, self._shelf = writer, log, peers, shelf
        self._links, self._wraps, self._retries, self._clock = links, wraps, retries, clock
        self._repeats, self._heads, self._way = repeats, heads, way
        self.on_settled: Told = nobody

    def take(self, bag: Bag, frame: bytes) -> None:
        """Check an answer (A2 to A7) and store what it proves.

        Raises what makes the whole answer worthless; nothing changes then, and what is no answer is kept as it came.
        """
        try:
            with self._way.on(bag.lane):
                self._take(bag, frame)
        except HeadError:
            raise
        except ProtocolError as error:
            self._writer.run(partial(oddities.keep_oddity, peer=bag.peer, what=oddities.ANSWER, code=error.code, raw=frame))
            raise

    def confirm_early(self, bag: Bag, frame: bytes) -> None:
        """Move the record of the peer's head by a large answer that has to wait for its turn to be taken.

        Answers in the other lane are linked from it by now, and would wait as long. Whatever is wrong with it is found when it is taken.
        """
        with suppress(RogatoryError):
            about, _ = pouch.parse_head(frame)
            self._peers.take_early(self._writer, self._peers.verify(bag.peer, about.head.note, about.opened), about.head, len(frame))

    def hear(self, bag: Bag, frame: bytes) -> Heard:
        """What an answer that is not taken yet says of the logs, for the head of the pouch after it. Raises what its head raises.

        An answer whose head is not linked from what we have will not be taken, and says nothing.
        """
        about, _ = pouch.parse_head(frame)
        head = self._peers.verify(bag.peer, about.head.note, about.opened)
        self._peers.judge(head, about.head)
        return Heard(about.yours, head.size)

    def _take(self, bag: Bag, frame: bytes) -> None:
        about, start = pouch.parse_head(frame)
        head = self._peers.verify(bag.peer, about.head.note, about.opened)
        try:
            self._peers.take_early(self._writer, head, about.head, len(frame))
            raws = pouch.parse_items(frame, start)
            replies = [_read(raw) for raw in raws]
            if len(replies) != len(bag.rows):
                raise ProtocolError(codes.ANSWER_FORM, f"{len(replies)} answers to {len(bag.rows)} items")
            self._store_all(bag, about, head, self._check_all(bag, head, raws, replies))
        except HeadError as error:
            self._peers.accuse(self._writer, head.origin, error)
            raise
        self._heads.hear(head, about.witnessed)
        self._heads.take_cosignature(bag.peer, bag.head, about.cosignature)

    def _check_all(self, bag: Bag, head: Head, raws: list[bytes], replies: list[Reply]) -> list[_Item]:
        check, items = Receipts(self._log, self._peers, self._repeats, bag.peer, head), []
        for row, raw, reply in zip(bag.rows, raws, replies, strict=True):
            self._way.give(bag.lane)
            items.append(_Item(row, raw, reply, check.check(row, reply)))
        return items

    def _store_all(self, bag: Bag, about: pouch.PouchHead, head: Head, items: list[_Item]) -> None:
        """Some at a time, each complete in itself. What is settled is told whatever becomes of the others."""
        store = partial(self._store_answers, bag=bag, about=about, head=head)
        futures = [
            self._writer.submit(partial(store, items=items[at : at + TOGETHER]), urgent=bag.lane is Lane.URGENT, spoken=False)
            for at in range(0, max(1, len(items)), TOGETHER)  # an answer to a pouch without items has a head all the same
        ]
        settled: list[tuple[Row, State]] = []

        def take(future: Future[list[tuple[Row, State]]]) -> None:
            stored = self._writer.result(future)
            settled.extend(stored)

        try:
            settle(partial(take, future) for future in futures)
        finally:
            self._wraps.forget(row.id for row, _ in settled)
            if settled:
                self.on_settled([Notice(row.hash, row.message_id, bag.peer, bag.lane, state, row.time) for row, state in settled])

    def _store_answers(self, tx: Tx, bag: Bag, about: pouch.PouchHead, head: Head, items: list[_Item]) -> list[tuple[Row, State]]:
        self._peers.confirm(tx, head, about.head)
        self._links.confirmed(tx, bag.peer, about.yours)
        heads = {checked.head.origin: checked.head for *_, checked in items if isinstance(checked, Checked)}
        notes = {origin: self._peers.keep_note(tx, each) for origin, each in heads.items()}
        if any(isinstance(item.reply, pouch.Receipt | pouch.Wants) for item in items):
            self._peers.keep_note(tx, bag.head)  # receipts cite this head of ours; an exported proof is under the head cited
        settled = []
        # an operator, the deadline or another answer may have moved them while this pouch was on its way
        query = f"SELECT id, state, receipt FROM delivery WHERE id IN ({','.join('?' * len(items))})"  # noqa: S608 - question marks
        found = tx.db.execute(query, [item.row.id for item in items])
        standing = {id_: (State(state), receipt) for id_, state, receipt in found}
        for row, raw, reply, checked in items:
            now = _as_it_is(row, *standing[row.id])
            if isinstance(checked, ProtocolError):
                self._retries.postpone(tx, now, checked.code.code)
                oddities.keep_oddity(tx, bag.peer, oddities.ANSWER, checked.code, raw, row.hash)
            elif checked is not None and isinstance(reply, pouch.Receipt):
                settled += self._receipt(tx, bag.peer, now, checked, reply.proven, notes[checked.head.origin])
            elif not isinstance(reply, ProtocolError):
                settled += self._other(tx, bag, now, reply, head)
        return settled

    def _receipt(
        self, tx: Tx, peer: str, row: Row, checked: Checked, proven: pouch.Proven, note: int
    ) -> list[tuple[Row, State]]:
        entry, head = checked
        if row.receipt is not None and self._repeats.open(row.hash, peer):
            self._repeats.settle(tx, row, peer, proven, note)
            return []
        if row.receipt is not None and row.receipt != proven.entry:
            tx.db.execute("UPDATE delivery SET last_code=? WHERE id=?", (codes.ANSWER_CHANGED.code, row.id))
        state = delivery.after(row.state, Event.CONSIGNED if isinstance(entry, Consigned) else Event.REFUSED)
        if state is None:
            return []  # settled before: the first receipt stands
        tx.update(
            "delivery", _RECEIPT, row.id, state.value, entry.reason if isinstance(entry, Refused) else "", proven.entry, proven.index,
            cbor.encode(proven.path), note,
        )  # fmt: skip
        n = int(head.origin.rpartition("/")[2])
        place = Place(n, proven.index, head.size, head.root)
        tx.append(Receipted, row.hash, entry.message_id, peer, place, hashlib.sha256(proven.entry).digest())
        return [(row, state)]

    def _other(self, tx: Tx, bag: Bag, row: Row, reply: pouch.Answer, head: Head) -> list[tuple[Row, State]]:
        if row.state not in delivery.OPEN:
            return []
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
            if reply.prekeys is not None:
                self._take_prekeys(tx, bag.peer, reply.prekeys, head)
            self._retries.later(tx, row, reply.code, reply.seconds if reply.prekeys is None else 0)
        elif isinstance(reply, pouch.Bad) and self._retries.bad(tx, row, reply.code):
            return [(row, State.HELD)]
        return []

    def _take_prekeys(self, tx: Tx, peer: str, offer: pouch.PrekeyOffer, head: Head) -> None:
        try:
            self._shelf.take(tx, peer, int(head.origin.rpartition("/")[2]), offer, head, tx.time)
        except ProtocolError:
            return  # the set is not taken; the item waits, and the next question asks for prekeys again


def _as_it_is(row: Row, state: State, receipt: bytes | None) -> Row:
    return row if (state, receipt) == (row.state, row.receipt) else replace(row, state=state, receipt=receipt)


def _read(raw: bytes) -> Reply:
    """One answer, or why it is none: judged alone, so that it spoils no other."""
    try:
        return pouch.parse_answer(raw)
    except ProtocolError as error:
        return error
