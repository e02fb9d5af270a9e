"""What we have confirmed of other authorities' logs: one head record per origin, moved by the head rule alone.

Signatures are checked outside the transaction, the rule itself inside: two lanes that overtake each other meet one record.
(SPEC.md section 3.8)
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections import OrderedDict
from collections.abc import Callable

from exchange.log import Tx
from exchange.store import Store
from keys.directory.view import Directory
from protocol import cbor, codes
from protocol.checkpoint import Head, LogKeys, verify_head
from protocol.entries import Forked, TreeHead
from protocol.errors import ProtocolError
from protocol.heads import HeadError, HeadRecord, Judgement, judge_head
from protocol.ports import Verifier
from protocol.pouch import HeadOffer
from protocol.treehead import parse_checkpoint, stated_checkpoint

_NOTES = 256  # verified notes remembered: a peer at rest shows the same head again and again


class Peers:
    """The records. ``directory`` gives the directory now in force."""

    def __init__(self, store: Store, directory: Callable[[], Directory], verifier: Verifier) -> None:
        self._store = store
        self._directory = directory
        self._verifier = verifier
        self._notes: OrderedDict[bytes, Head] = OrderedDict()

    def verify(self, authority: str, note: bytes) -> Head:
        """A head of this authority's log in force, both signatures checked.

        Raises HEAD-ORIGIN, HEAD-STOPPED, DIRECTORY-UNKNOWN-AUTHORITY, NOTE-*, CHECKPOINT-*. (Check 4; check A2)
        """
        return self._verified(note, self._directory().log_in_force(authority).keys)

    def verify_closing(self, authority: str, note: bytes) -> Head:
        """The closing head of an earlier log of this authority, exactly as the directory lists it, both signatures checked.

        Raises HEAD-CLOSING, HEAD-STOPPED, DIRECTORY-UNKNOWN-AUTHORITY, NOTE-*, CHECKPOINT-*. (Check A3)
        """
        said = stated_checkpoint(note)
        for record in self._directory().member(authority).logs:
            if record.keys.origin == said.origin and record.closing == (said.size, said.root):
                return self._verified(note, record.keys)
        raise ProtocolError(codes.HEAD_CLOSING, f"size {said.size} of {said.origin}")

    def _verified(self, note: bytes, keys: LogKeys) -> Head:
        head = self._notes.get(note)
        if head is None or head.origin != keys.origin:
            text = note.partition(b"\n\n")[0] + b"\n"
            if not text.startswith(keys.origin.encode() + b"\n"):
                raise ProtocolError(codes.HEAD_ORIGIN, parse_checkpoint(text).origin)
            head = verify_head(note, keys, self._verifier).value
            self._notes[note] = head
            if len(self._notes) > _NOTES:
                self._notes.popitem(last=False)
        if self._is_forked(head.origin):
            raise ProtocolError(codes.HEAD_STOPPED, head.origin)
        return head

    def record(self, origin: str, db: sqlite3.Connection | None = None) -> HeadRecord | None:
        """What is confirmed of this log, or None before first contact."""
        query = "SELECT note, time, confirmed FROM peer_head WHERE origin=?"
        row = (db or self._store.reader()).execute(query, (origin,)).fetchone()
        if row is None:
            return None
        note, time, confirmed = row
        checkpoint = stated_checkpoint(note)
        known = tuple(TreeHead(size, root) for size, root in cbor.decode(confirmed))  # type: ignore[union-attr, misc, arg-type]
        return HeadRecord(Head(checkpoint, note, time), known)

    def greatest(self, authority: str) -> int:
        """The size of the greatest confirmed head of this authority's log in force, 0 before first contact."""
        record = self.record(self._directory().log_in_force(authority).keys.origin)
        return 0 if record is None else record.greatest.size

    def greatest_note(self, origin_hash: bytes) -> bytes | None:
        """The greatest confirmed note of the log whose origin has this SHA-256."""
        for origin, note in self._store.reader().execute("SELECT origin, note FROM peer_head"):
            if hashlib.sha256(origin.encode()).digest() == origin_hash:
                return bytes(note)
        return None

    def judge(self, head: Head, offer: HeadOffer) -> Judgement:
        """What the head is beside the record, without moving it. Raises HeadError."""
        return judge_head(self.record(head.origin), head, offer.old_size, offer.proof)

    def confirm(self, tx: Tx, head: Head, offer: HeadOffer) -> Judgement:
        """Judge again inside the transaction and move the record. Raises HeadError, with nothing changed."""
        before = self.record(head.origin, tx.db)
        judgement = judge_head(before, head, offer.old_size, offer.proof)
        after = judgement.record
        if after is not before:
            confirmed = cbor.encode([list(known) for known in after.confirmed])
            tx.db.execute(
                "INSERT INTO peer_head (origin, note, time, confirmed) VALUES (?,?,?,?) ON CONFLICT (origin)"
                " DO UPDATE SET note=excluded.note, time=excluded.time, confirmed=excluded.confirmed",
                (head.origin, after.greatest.note, after.greatest.time, confirmed),
            )
        return judgement

    def accuse(self, tx: Tx, origin: str, error: HeadError) -> None:
        """Keep a fork proof, log it, and take nothing more from that origin."""
        if error.fork is None:
            return
        proof = error.fork.encode()
        changed = tx.db.execute("UPDATE peer_head SET forked=? WHERE origin=? AND forked IS NULL", (proof, origin)).rowcount
        if changed:
            tx.append(Forked, origin, hashlib.sha256(proof).digest())

    def keep_note(self, tx: Tx, head: Head) -> int:
        """The row of a note that a stored proof needs; the first note of a size is the one kept."""
        tx.db.execute("INSERT OR IGNORE INTO note (origin, size, note) VALUES (?,?,?)", (head.origin, head.size, head.note))
        row = tx.db.execute("SELECT id, note FROM note WHERE origin=? AND size=?", (head.origin, head.size)).fetchone()
        return int(row[0])

    def _is_forked(self, origin: str) -> bool:
        row = self._store.reader().execute("SELECT forked FROM peer_head WHERE origin=?", (origin,)).fetchone()
        return row is not None and row[0] is not None
