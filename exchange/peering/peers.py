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
from exchange.peering.successors import Successors
from exchange.store import Store
from exchange.writer import Writer
from keys.directory.view import Directory, LogState
from protocol import addcheckpoint, cbor, codes, limits
from protocol.checkpoint import Head, LogKeys, verify_head
from protocol.entries import Forked, TreeHead
from protocol.errors import ProtocolError
from protocol.heads import ForkProof, HeadError, HeadRecord, Judgement, Relation, judge_head
from protocol.names import Origin
from protocol.ports import Verifier
from protocol.pouch import HeadOffer, Path
from protocol.treehead import parse_checkpoint, stated_checkpoint

_NOTES = 64  # verified notes remembered: a peer at rest shows the same head again and again


class Peers:
    """The records. ``directory`` gives the directory now in force."""

    def __init__(self, store: Store, directory: Callable[[], Directory], verifier: Verifier) -> None:
        self._store = store
        self._directory = directory
        self._verifier = verifier
        self.successors = Successors(store, directory)
        self._notes: OrderedDict[bytes, Head] = OrderedDict()
        self._records: dict[str, tuple[tuple[bytes, int, bytes], HeadRecord]] = {}

    def verify(self, authority: str, note: bytes, opened: tuple[bytes, Path] | None = None) -> Head:
        """A head of the log under which this authority speaks, both signatures checked.

        That is the one in force, or the standby log once the authority has shown that it was ``opened``.
        Raises HEAD-ORIGIN, HEAD-STOPPED, HEAD-SUCCESSION, DIRECTORY-UNKNOWN-AUTHORITY, NOTE-*, CHECKPOINT-*. (Check 4; check A2)
        """
        claimed = self.successors.claimed(authority, note) if opened is not None else None
        if opened is None or claimed is None:
            return self._verified(note, self.successors.record(authority).keys)
        head = self._verified(note, claimed.keys)
        self.successors.check(claimed, head, opened)
        return head

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
        last = self._records.get(origin)
        if last is None or last[0] != row:  # asked several times per pouch, and changed once
            last = self._records[origin] = row, _parse(*row)
        return last[1]

    def greatest(self, authority: str) -> int:
        """The size of the greatest confirmed head of this authority's log in force, 0 before first contact."""
        record = self.record(self.successors.record(authority).keys.origin)
        return 0 if record is None else record.greatest.size

    def seen(self, origin: Origin) -> int:
        """The size of the greatest confirmed head of this log, 0 for none."""
        record = self.record(str(origin))
        return 0 if record is None else record.greatest.size

    def greatest_note(self, origin_hash: bytes) -> bytes | None:
        """The greatest confirmed note of the log whose origin has this SHA-256, with the lines that we gave for it as a witness."""
        query = "SELECT peer_head.origin, note, size, lines FROM peer_head LEFT JOIN cosigned USING (origin)"
        for origin, note, size, lines in self._store.reader().execute(query):
            if hashlib.sha256(origin.encode()).digest() == origin_hash:
                return bytes(note) if size != stated_checkpoint(note).size else addcheckpoint.add_lines(note, lines)
        return None

    def judge(self, head: Head, offer: HeadOffer) -> Judgement:
        """What the head is beside the record, without moving it. Raises HeadError."""
        record = self.record(head.origin)
        offer = self.successors.offer(record, head, offer)
        return judge_head(record, head, offer.old_size, offer.proof)

    def take_early(self, writer: Writer, head: Head, offer: HeadOffer, size: int) -> None:
        """Judge the head of a pouch or answer of so many bytes before its items. Raises HeadError.

        Many items take long to judge: their head moves the record at once, so that the other lane's pouches do not overtake it meanwhile.
        """
        if self.judge(head, offer).relation is not Relation.KNOWN and size > limits.POUCH_HEAD:
            writer.run_first(lambda tx: self.confirm(tx, head, offer))

    def confirm(self, tx: Tx, head: Head, offer: HeadOffer) -> Judgement:
        """Judge again inside the transaction and move the record. Raises HeadError, with nothing changed."""
        before = self.record(head.origin, tx.db)
        offer = self.successors.offer(before, head, offer)
        judgement = judge_head(before, head, offer.old_size, offer.proof)
        after = judgement.record
        if after is not before:
            confirmed = cbor.encode([list(known) for known in after.confirmed])
            tx.db.execute(
                "INSERT INTO peer_head (origin, note, time, confirmed) VALUES (?,?,?,?) ON CONFLICT (origin)"
                " DO UPDATE SET note=excluded.note, time=excluded.time, confirmed=excluded.confirmed",
                (head.origin, after.greatest.note, after.greatest.time, confirmed),
            )
        self.successors.confirmed(tx, head, lambda: self.keep_note(tx, head))
        return judgement

    def accuse(self, writer: Writer, origin: str, error: HeadError) -> None:
        """Keep the fork proof, if it is one, log it, and take nothing more from that origin."""
        fork = error.fork
        if fork is not None:
            writer.run(lambda tx: self.keep_fork(tx, origin, fork))

    def keep_fork(self, tx: Tx, origin: str, fork: ForkProof) -> bool:
        """Keep a verified fork proof of this log, the first one: logged as ``forked``, and nothing more is taken. Whether it is new."""
        head, proof = stated_checkpoint(fork.older), fork.encode()
        known = cbor.encode([[head.size, head.root]])
        tx.db.execute("INSERT OR IGNORE INTO peer_head VALUES (?,?,0,?,NULL)", (origin, fork.older, known))
        new = tx.db.execute("UPDATE peer_head SET forked=? WHERE origin=? AND forked IS NULL", (proof, origin)).rowcount
        if new:
            tx.append(Forked, origin, hashlib.sha256(proof).digest())
        return bool(new)

    def origins(self) -> list[str]:
        """The logs in force that we have confirmed a head of, and that are not known to fork."""
        found = self._store.reader().execute("SELECT origin FROM peer_head WHERE forked IS NULL ORDER BY origin").fetchall()
        logs = [log for member in self._directory().members.values() if member.active for log in member.logs]
        in_force = {str(log.origin) for log in logs if log.state is LogState.IN_FORCE}
        return [origin for (origin,) in found if origin in in_force]

    def forks(self) -> dict[str, bytes]:
        """The fork proofs that we hold, by origin."""
        return dict(self._store.reader().execute("SELECT origin, forked FROM peer_head WHERE forked IS NOT NULL").fetchall())

    def keep_note(self, tx: Tx, head: Head) -> int:
        """The row of a note that a stored proof needs; the first note of a size is the one kept."""
        tx.db.execute("INSERT OR IGNORE INTO note (origin, size, note) VALUES (?,?,?)", (head.origin, head.size, head.note))
        return int(tx.db.execute("SELECT id FROM note WHERE origin=? AND size=?", (head.origin, head.size)).fetchone()[0])

    def _is_forked(self, origin: str) -> bool:
        row = self._store.reader().execute("SELECT forked FROM peer_head WHERE origin=?", (origin,)).fetchone()
        return row is not None and row[0] is not None


def _parse(note: bytes, time: int, confirmed: bytes) -> HeadRecord:
    known = tuple(TreeHead(size, root) for size, root in cbor.decode(confirmed))  # type: ignore[union-attr, misc, arg-type]
    return HeadRecord(Head(stated_checkpoint(note), note, time), known)
