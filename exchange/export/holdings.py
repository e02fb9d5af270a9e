"""What we hold of an entry: the best proof there is, its grade, and the times between which it was first shown.

    stored        entry, path and note as they came: *logged*
    linked        the note's link to a later witnessed or closing head: the path is lengthened by it, so the proof stands under that head
    ours          proven at will under our greatest witnessed head, or under the closing head of an earlier log

(SPEC.md section 5.10)
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from exchange.log import Log
from exchange.peering.witnessed import WitnessedHeads
from exchange.store import Store
from keys.directory.view import Directory, LogRecord
from protocol import cbor, limits, merkle
from protocol.entries import Place
from protocol.errors import ProtocolError
from protocol.grades import Grade
from protocol.pouch import Path, Proven
from protocol.treehead import stated_checkpoint

_ALARMED = 30 * limits.DAY  # how far back one looks for receipts that are only logged
_NOTE = "SELECT origin, size, note, not_after, later, link FROM note WHERE id=?"


@dataclass(frozen=True, slots=True)
class Held:
    """A grade, and the bracket of times (seconds, 0 unknown): there by ``not_after``, not shown at ``not_before``."""

    grade: Grade
    not_after: int = 0
    not_before: int = 0


class Best(NamedTuple):
    """A proof under the head that gives it its grade."""

    proven: Proven
    note: bytes


class _Row(NamedTuple):
    origin: str
    size: int
    note: bytes
    not_after: int
    later: int | None
    link: bytes | None


class Holdings:
    """``directory`` gives the one in force."""

    def __init__(self, store: Store, log: Log, heads: WitnessedHeads, directory: Callable[[], Directory]) -> None:
        self._store, self._log, self._heads, self._directory = store, log, heads, directory

    # -- entries of others -----------------------------------------------------------------------------------------------------

    def stored(self, note: int, index: int) -> Held:
        """What we hold of an entry that was proven under this note."""
        db = self._store.reader()
        row = _row(db, note)
        best = row if row.later is None else _row(db, row.later)
        return self._held(db, best.origin, best.size, best.not_after, index, stated_checkpoint(best.note).root)

    def receipt(self, envelope_hash: bytes, recipient: str) -> Held | None:
        """What we hold of the receipt of a message that we sent; None before there is one."""
        query = "SELECT receipt_note, receipt_index FROM delivery"
        query += " WHERE message=(SELECT id FROM outgoing WHERE hash=?) AND recipient=? AND receipt_note IS NOT NULL"
        row = self._store.reader().execute(query, (envelope_hash, recipient)).fetchone()
        return None if row is None else self.stored(*row)

    def submission(self, envelope_hash: bytes) -> Held:
        """What we hold of the sender's ``submitted`` of a message that came."""
        query = "SELECT origin_note, origin_index FROM incoming WHERE hash=?"
        return self.stored(*self._store.reader().execute(query, (envelope_hash,)).fetchone())

    def lengthened(self, proven: Proven, note: int) -> Best:
        """The proof as it was stored under this note, or under the later head that the note is linked to."""
        row = _row(self._store.reader(), note)
        if row.later is None or row.link is None:
            return Best(proven, row.note)
        to = _row(self._store.reader(), row.later)
        older, newer = stated_checkpoint(row.note), stated_checkpoint(to.note)
        path = merkle.extended_inclusion(proven.index, older.size, newer.size, proven.path, older.root, _plain(row))
        merkle.check_inclusion(merkle.leaf_hash(proven.entry), proven.index, newer.size, path, newer.root)
        return Best(Proven(proven.entry, proven.index, tuple(path)), to.note)

    def stored_link(self, note: int) -> tuple[int, Path] | None:
        """The size of this note's head, and the full consistency path from there to the head that it is linked to."""
        row = _row(self._store.reader(), note)
        return None if row.link is None else (row.size, tuple(cbor.decode(row.link)))  # type: ignore[arg-type]

    # -- entries of ours -------------------------------------------------------------------------------------------------------

    def ours(self, n: int, index: int | None) -> Held:
        """What anybody can hold of an entry of ours."""
        origin = self._log.numbered(n).origin
        if index is None:
            return Held(Grade.LOGGED)
        db = self._store.reader()
        if n != self._log.n:
            closing = self._log.numbered(n).closing()
            size, root = (0, b"") if closing is None else (closing.head.size, closing.head.root)
            return self._held(db, origin, size, 0, index, root)
        row = self._covering(db, origin, index)
        return self._held(db, origin, 0, 0, index, b"") if row is None else self._held(db, origin, row[0], row[1], index, row[2])

    def prove_ours(self, index: int, least: int) -> Best | None:
        """An entry of our log in force under the first witnessed head of at least this size; None when there is none yet."""
        db = self._store.reader()
        query = "SELECT size, note FROM note WHERE origin=? AND size>=? AND not_after>0 ORDER BY size LIMIT 1"
        row = db.execute(query, (self._log.origin, least)).fetchone()
        if row is None:
            return None
        return Best(Proven(self._log.entry(index), index, self._log.path(index, row[0])), bytes(row[1]))

    def before(self, origin: str, index: int) -> bytes | None:
        """The greatest witnessed note of this log that does not hold the entry at ``index``, for the lower end of its bracket."""
        query = "SELECT note FROM note WHERE origin=? AND size<=? AND not_after>0 ORDER BY size DESC LIMIT 1"
        row = self._store.reader().execute(query, (origin, index)).fetchone()
        return None if row is None else bytes(row[0])

    def link(self, place: Place, to: bytes) -> Path | None:
        """The full path from the head that a receipt cites to the head of this note, both of our log in force; None if not possible."""
        newer = stated_checkpoint(to)
        if newer.origin != self._log.origin or place.n != self._log.n or not 0 < place.size < newer.size:
            return None
        return tuple(merkle.full_consistency(place.size, newer.size, self._log))

    # -- grades ----------------------------------------------------------------------------------------------------------------

    def waiting(self, before: int) -> list[tuple[str, int]]:
        """Recipients whose receipts for messages submitted before this time (ms) are still only *logged*, and how many each."""
        query = (  # cross joins: the few notes that are only logged lead
            "SELECT recipient, count(*) FROM note CROSS JOIN delivery ON receipt_note=note.id CROSS JOIN outgoing ON outgoing.id=message"
            " WHERE note.origin=? AND note.not_after=0 AND note.later IS NULL AND outgoing.time<? AND outgoing.time>? GROUP BY recipient"
        )
        found: Counter[str] = Counter()
        for member in self._directory().members.values():
            for log in member.logs if self._has_witnesses(member.authority) else ():
                found.update(dict(self._store.reader().execute(query, (str(log.origin), before, before - _ALARMED)).fetchall()))
        return sorted(found.items())

    def _has_witnesses(self, authority: str) -> bool:
        try:
            return self._directory().log_in_force(authority).quorum > 0
        except ProtocolError:
            return False

    def _covering(self, db: sqlite3.Connection, origin: str, index: int) -> tuple[int, int, bytes] | None:
        query = "SELECT size, not_after, note FROM note WHERE origin=? AND size>? AND not_after>0 ORDER BY size LIMIT 1"
        row = db.execute(query, (origin, index)).fetchone()
        return None if row is None else (row[0], row[1], stated_checkpoint(row[2]).root)

    def _held(self, db: sqlite3.Connection, origin: str, size: int, not_after: int, index: int, root: bytes) -> Held:
        """Grade and bracket of the entry at ``index``, proven under a head of this size; ``not_after``: 0 while that is only logged."""
        earlier = "SELECT not_before FROM note WHERE origin=? AND size<=? AND not_after>0 ORDER BY size DESC LIMIT 1"
        row = db.execute(earlier, (origin, index)).fetchone()
        first = "SELECT not_after FROM note WHERE origin=? AND size>? AND not_after>0 ORDER BY size LIMIT 1"
        by = db.execute(first, (origin, index)).fetchone() if not_after else None
        times = (not_after if by is None else min(not_after, by[0])), 0 if row is None else row[0]
        return Held(self._grade(db, origin, size, root, witnessed=bool(not_after)), *times)

    def _grade(self, db: sqlite3.Connection, origin: str, size: int, root: bytes, *, witnessed: bool) -> Grade:
        record = self._record(origin)
        if record is not None and record.closing is not None:
            if size > record.closing[0] or (size == record.closing[0] and root != record.closing[1]):
                return Grade.DISPUTED
            if size == record.closing[0]:
                return Grade.CLOSED
        if witnessed:
            return Grade.WITNESSED
        forked = db.execute("SELECT 1 FROM peer_head WHERE origin=? AND forked IS NOT NULL", (origin,)).fetchone()
        return Grade.LOGGED if forked is None else Grade.DISPUTED

    def _record(self, origin: str) -> LogRecord | None:
        try:
            return self._directory().log(origin)
        except ProtocolError:
            return None


def _row(db: sqlite3.Connection, note: int) -> _Row:
    return _Row(*db.execute(_NOTE, (note,)).fetchone())


def _plain(row: _Row) -> list[bytes]:
    """The link as RFC 6962 writes it: without the older root where that is a hash of the newer tree."""
    path = [bytes(node) for node in cbor.decode(row.link or b"\x80")]  # type: ignore[union-attr, arg-type]
    return path[1:] if row.size & (row.size - 1) == 0 else path
