"""What is offered, and consigned, a second time, because an authority lost what it had receipted. (SPEC.md section 5.8)

    sender     a peer's ``opened`` names a range lost: every message whose receipt stands in it is offered again
    recipient  an envelope that comes with our own receipt from the range lost is taken, even if it has expired meanwhile;
               an answer that stands in an earlier log and cannot be proven any more is said again in this one

The first receipt stands; the second is kept beside it.
"""

from __future__ import annotations

import sqlite3

from exchange.bag import Row
from exchange.log import Log, Tx
from exchange.store import Store
from protocol import cbor, limits
from protocol.arrival import Arrived
from protocol.delivery import State
from protocol.entries import Consigned, Opened, Refused, parse_entry
from protocol.errors import ProtocolError
from protocol.names import Origin
from protocol.pouch import Proven

_AGAIN = 30 * limits.DAY  # for so long it is offered


class Repeats:
    """Both sides."""

    def __init__(self, store: Store, log: Log) -> None:
        self._store, self._log = store, log

    # -- sender ---------------------------------------------------------------------------------------------------------------

    def open(self, envelope_hash: bytes, authority: str) -> bool:
        """Whether this delivery is being offered again."""
        query = "SELECT 1 FROM repeat WHERE hash=? AND authority=? AND receipt IS NULL"
        return self._store.reader().execute(query, (envelope_hash, authority)).fetchone() is not None

    def settle(self, tx: Tx, row: Row, authority: str, proven: Proven, note: int) -> None:
        """It was consigned again: keep the second receipt, and end the delivery as it was ended before."""
        tx.db.execute(
            "UPDATE repeat SET receipt=?, receipt_index=?, receipt_path=?, receipt_note=? WHERE hash=? AND authority=?",
            (proven.entry, proven.index, cbor.encode(proven.path), note, row.hash, authority),
        )
        tx.db.execute("UPDATE delivery SET state=?, last_code='' WHERE id=?", (State.DELIVERED, row.id))

    # -- recipient ------------------------------------------------------------------------------------------------------------

    def lost(self, arrived: Arrived) -> bool:
        """Whether the item bears a receipt of ours for this envelope while something of ours is lost.

        It is not proven, and need not be: it is the sender's own message, and all it opens is the window of time.
        """
        if arrived.item.receipt is None or self._log.ahead is None or self._log.ahead.lost == (0, 0):
            return False
        try:
            entry = parse_entry(arrived.item.receipt)
        except ProtocolError:
            return False
        return isinstance(entry, Consigned) and entry.envelope_hash == arrived.envelope.hash

    def note(self, tx: Tx, envelope_hash: bytes) -> None:
        """This message was consigned here before, and is consigned again."""
        tx.db.execute("INSERT OR IGNORE INTO repeat (hash, authority) VALUES (?,?)", (envelope_hash, self._log.authority))

    def say_again(self, tx: Tx, n: int, index: int) -> tuple[int, int]:
        """Where our answer to an envelope stands: there, or said again in this log because there it cannot be proven any more."""
        earlier = self._log.numbered(n)
        if n == tx.n or earlier.provable(index):
            return n, index
        entry = parse_entry(earlier.entry(index))
        if not isinstance(entry, Consigned | Refused):
            return n, index
        there = entry.envelope_hash, n, index
        if tx.db.execute("SELECT 1 FROM incoming WHERE hash=? AND n=? AND idx=?", there).fetchone() is None:
            return n, index
        if isinstance(entry, Consigned):
            again = tx.append(Consigned, entry.envelope_hash, entry.message_id, entry.sender, entry.place)
        else:
            again = tx.append(Refused, entry.envelope_hash, entry.message_id, entry.sender, entry.place, entry.reason, entry.check)
        tx.db.execute("UPDATE incoming SET n=?, idx=? WHERE hash=?", (tx.n, again, entry.envelope_hash))
        return tx.n, again


def offer_again(tx: Tx, authority: str, opened: Opened, origin: Origin) -> int:
    """A peer lost [from, to) of the log before ``origin``: offer again what it receipted there; how many."""
    if opened.lost is None:
        return 0
    before = str(Origin(origin.network, origin.authority, origin.n - 1))
    lost = tx.db.execute(
        "SELECT d.id, d.hash FROM delivery d JOIN note ON note.id=d.receipt_note WHERE d.recipient=? AND d.state=? AND note.origin=?"
        " AND d.receipt_index>=? AND d.receipt_index<?",
        (authority, State.DELIVERED, before, *opened.lost),
    ).fetchall()  # fmt: skip
    for id_, envelope_hash in lost:
        tx.db.execute("INSERT OR IGNORE INTO repeat (hash, authority) VALUES (?,?)", (envelope_hash, authority))
        query = "UPDATE delivery SET state=?, due=?, attempts=0, expires=? WHERE id=?"
        tx.db.execute(query, (State.QUEUED, tx.time, tx.time + _AGAIN, id_))
    return len(lost)


def repeated(db: sqlite3.Connection, envelope_hash: bytes, authority: str) -> bool:
    """Whether this message was offered or consigned again."""
    query = "SELECT 1 FROM repeat WHERE hash=? AND authority=?"
    return db.execute(query, (envelope_hash, authority)).fetchone() is not None
