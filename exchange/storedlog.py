"""A log of this authority as it is stored: entries, tiles, heads; the one in force, or an earlier one that is closed.

Everything here reads, from any thread. ``exchange.log`` adds what only the log in force does: growing, guarding, signing.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from typing import NamedTuple

from exchange import codes
from exchange.store import Store
from protocol import merkle, tiles
from protocol.checkpoint import Head
from protocol.entries import Closed, Submitted, TreeHead, parse_entry
from protocol.errors import LocalError, ProtocolError
from protocol.names import Origin
from protocol.pouch import Path, Proven


class Closing(NamedTuple):
    """How a log ended: its closing head, and the log that its ``closed`` names."""

    head: TreeHead
    next_n: int


class Followed(NamedTuple):
    """How a log begins that was opened without a closing of the one before: the head it follows, why, and the range lost of that log."""

    head: TreeHead
    reason: str
    lost: tuple[int, int]


class StoredLog:
    """One log by its origin."""

    def __init__(self, store: Store, origin: Origin) -> None:
        self.origin = str(origin)
        self.authority = origin.authority
        self.n = origin.n
        self.store = self._store = store

    def numbered(self, n: int) -> StoredLog:
        """Our log of this number."""
        origin = Origin.parse(self.origin)
        return self if n == self.n else StoredLog(self._store, Origin(origin.network, origin.authority, n))

    def node(self, level: int, index: int) -> bytes:
        """The hash of a complete subtree (``merkle.HashReader``)."""
        return tiles.TileReader(self._fetch_from(self._store.reader())).node(level, index)

    def entry(self, index: int) -> bytes:
        """The bytes of a committed entry. Raises LOG-RANGE."""
        row = self._store.reader().execute("SELECT bytes FROM entry WHERE n=? AND idx=?", (self.n, index)).fetchone()
        if row is None:
            raise LocalError(codes.LOG_RANGE, f"index {index}")
        return bytes(row[0])

    def entries(self, start: int, end: int) -> Sequence[bytes]:
        """The entries from ``start`` up to ``end``."""
        query = "SELECT bytes FROM entry WHERE n=? AND idx>=? AND idx<? ORDER BY idx"
        return [bytes(row[0]) for row in self._store.reader().execute(query, (self.n, start, end))]

    def fault(self, start: int, end: int, db: sqlite3.Connection | None = None) -> int | None:
        """The first index from ``start`` up to ``end`` whose entry is missing or not the one whose hash the tree holds; None: all are."""
        query = "SELECT idx, bytes FROM entry WHERE n=? AND idx>=? AND idx<? ORDER BY idx"
        fetch, tile, number = self._fetch_from(db or self._store.reader()), b"", -1
        expected = start
        for index, raw in (db or self._store.reader()).execute(query, (self.n, start, end)):
            if index // tiles.WIDTH != number:
                number = index // tiles.WIDTH
                tile = fetch(0, number, 0)
            at = merkle.HASH * (index % tiles.WIDTH)
            if index != expected or tile[at : at + merkle.HASH] != merkle.leaf_hash(raw):
                return min(int(index), expected)
            expected += 1
        return None if expected == end else expected

    def path(self, index: int, size: int) -> Path:
        """The inclusion path of a leaf under a committed size."""
        return tuple(merkle.inclusion(index, size, self))

    def prove(self, index: int, head: Head, entry: bytes | None = None) -> Proven:
        """An entry with its path to ``head``."""
        return Proven(self.entry(index) if entry is None else entry, index, self.path(index, head.size))

    def prove_all(self, indexes: Collection[int], head: Head) -> dict[int, Proven]:
        """Many entries with their paths to ``head``: what the paths share is read and hashed once. Raises LOG-RANGE, LOG-DAMAGED."""
        paths = merkle.inclusions(indexes, head.size, self)
        query = f"SELECT idx, bytes FROM entry WHERE n=? AND idx IN ({','.join('?' * len(paths))})"  # noqa: S608 - question marks
        found = {row[0]: bytes(row[1]) for row in self._store.reader().execute(query, [self.n, *paths])}
        if len(found) != len(paths):
            raise LocalError(codes.LOG_RANGE, f"{len(found)} of {len(paths)} entries")
        for index, raw in found.items():
            if self.node(0, index) != merkle.leaf_hash(raw):  # I3: altered on this disk since it was written
                raise LocalError(codes.LOG_DAMAGED, f"index {index}")
        return {index: Proven(found[index], index, path) for index, path in paths.items()}

    def consistency(self, old: int, head: Head) -> Path:
        """The path that links the head of size ``old`` to ``head``; empty for 0. Raises LOG-RANGE."""
        if old > head.size:
            raise LocalError(codes.LOG_RANGE, f"size {old}")
        return tuple(merkle.consistency(old, head.size, self)) if 0 < old < head.size else ()

    def link(self, other: int, head: Head) -> Path:
        """The path between a head and another size of this log, whichever is greater; empty for 0 and between equals."""
        older, newer = sorted((other, head.size))
        return tuple(merkle.consistency(older, newer, self)) if 0 < older < newer else ()

    def has_head(self, head: TreeHead) -> bool:
        """Whether we committed, and so may have signed, a head of this size and root."""
        row = self._store.reader().execute("SELECT root FROM head WHERE n=? AND size=?", (self.n, head.size)).fetchone()
        return row is not None and row[0] == head.root

    def submits(self, index: int, envelope_hash: bytes) -> bool:
        """Whether the entry there is the ``submitted`` of this envelope."""
        row = self._store.reader().execute("SELECT bytes FROM entry WHERE n=? AND idx=?", (self.n, index)).fetchone()
        entry = None if row is None else parse_entry(bytes(row[0]))
        return isinstance(entry, Submitted) and entry.envelope_hash == envelope_hash

    def tile(self, level: int, index: int, width: int) -> bytes:
        """The first ``width`` hashes of a tile."""
        return self._fetch_from(self._store.reader())(level, index, width)[: width * merkle.HASH]

    def closing(self, db: sqlite3.Connection | None = None) -> Closing | None:
        """How this log ended: by its last entry, or by the log that was opened in its place; None while it is open, or when there is none.

        Where the head that the next one follows lies beyond what is stored, nothing can be proven under it: None as well.
        """
        query = (
            "SELECT head.size, head.root, entry.bytes FROM head JOIN entry ON entry.n=head.n AND entry.idx=head.size-1"
            " WHERE head.n=? ORDER BY head.size DESC LIMIT 1"
        )
        row = (db or self._store.reader()).execute(query, (self.n,)).fetchone()
        try:
            last = None if row is None else parse_entry(bytes(row[2]))
        except ProtocolError:
            raise LocalError(codes.LOG_DAMAGED, f"the last entry of log {self.n}") from None
        if isinstance(last, Closed):
            return Closing(TreeHead(row[0], bytes(row[1])), last.next_n)
        followed = self.numbered(self.n + 1).followed(db)
        if row is None or followed is None or followed.head.size > row[0]:
            return None
        reader = tiles.TileReader(self._fetch_from(db or self._store.reader()))
        return Closing(followed.head, self.n + 1) if merkle.root(followed.head.size, reader) == followed.head.root else None

    def followed(self, db: sqlite3.Connection | None = None) -> Followed | None:
        """How this log begins, when it was opened in the place of one that did not end; else None."""
        query = "SELECT size, root, reason, lost_from, lost_to FROM succession WHERE n=?"
        row = (db or self._store.reader()).execute(query, (self.n,)).fetchone()
        return None if row is None else Followed(TreeHead(row[0], bytes(row[1])), row[2], (row[3], row[4]))

    def provable(self, index: int) -> bool:
        """Whether peers can be shown this entry of an earlier log: under a closing head that holds it."""
        closing = self.closing()
        if closing is None or index >= closing.head.size:
            return False
        query = "SELECT 1 FROM note WHERE origin=? AND size=?"
        return self._store.reader().execute(query, (self.origin, closing.head.size)).fetchone() is not None

    def prove_remembered(self, index: int) -> tuple[Proven, bytes]:
        """An entry of an earlier log under its closing head or, after amnesia, under a head whose note is kept. Raises LOG-RANGE."""
        if self.provable(index):
            return self.prove_closed(index)
        query = "SELECT size, note FROM note WHERE origin=? AND size>? ORDER BY size"
        for size, note in self._store.reader().execute(query, (self.origin, index)).fetchall():
            if self.has_head(TreeHead(size, merkle.root(size, self))):
                return Proven(self.entry(index), index, self.path(index, size)), bytes(note)
        raise LocalError(codes.LOG_RANGE, f"no head of {self.origin} above {index}")

    def closing_note(self) -> bytes:
        """The signed closing head, as it was kept when the log was closed. Raises LOG-RANGE when it was not."""
        closing = self.closing()
        query = "SELECT note FROM note WHERE origin=? AND size=?"
        size = 0 if closing is None else closing.head.size
        row = self._store.reader().execute(query, (self.origin, size)).fetchone()
        if row is None:
            raise LocalError(codes.LOG_RANGE, f"no closing head of {self.origin}")
        return bytes(row[0])

    def prove_closed(self, index: int) -> tuple[Proven, bytes]:
        """An entry of a closed log with its path to the closing head, and that head's note. Raises LOG-RANGE."""
        closing, note = self.closing(), self.closing_note()
        assert closing is not None
        return Proven(self.entry(index), index, self.path(index, closing.head.size)), note

    def _fetch_from(self, db: sqlite3.Connection) -> tiles.Fetch:
        def fetch(level: int, index: int, width: int) -> bytes:
            query = "SELECT hashes FROM tile WHERE n=? AND level=? AND idx=?"
            row = db.execute(query, (self.n, level, index)).fetchone()
            if row is None:
                raise LocalError(codes.LOG_DAMAGED, f"{tiles.tile_path(level, index, width)} is missing")
            return bytes(row[0])

        return fetch
