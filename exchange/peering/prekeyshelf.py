"""Prekeys on both sides: our own published set with its proof, and the newest proven set of each peer.

A set is taken only from the log (never from a connection alone), never at a lower place or sequence than one seen before. It is used for
routine once a *witnessed* head holds it: a thief of the log keys alone gets no prekey of his own that far. (SPEC.md section 6.2)
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence

from exchange.log import Log, Tx
from exchange.store import Store
from exchange.writer import Writer
from keys.directory.view import Directory
from keys.prekeys import Prekey, PrekeyStore
from keys.suite import sound_prekey
from protocol import cbor, codes, prekeyset
from protocol.checkpoint import Head
from protocol.entries import Prekeys, PublishedKey, parse_entry
from protocol.errors import ProtocolError
from protocol.pouch import PrekeyOffer


class PrekeyShelf:
    """``own``: the files of our secrets; what is published of them stands in the log. ``directory`` gives the one in force."""

    def __init__(self, store: Store, log: Log, own: PrekeyStore, directory: Callable[[], Directory]) -> None:
        self._store = store
        self._log = log
        self._directory = directory
        self.own = own
        self._published: tuple[int, tuple[bytes, ...]] | None = None

    def publish(self, tx: Tx, keys: tuple[Prekey, ...]) -> int:
        """Log the current set, when it is not the one that stands in the log already; the entry's index, for ``show``."""
        last = self._last(tx.db)
        entry = None if last is None else last[1]
        listed = tuple(PublishedKey(key.id, key.from_, key.until) for key in keys)
        if entry is not None and entry.keys == listed:
            index = 0 if last is None else last[0]
        else:
            index = tx.append(Prekeys, 1 if entry is None else entry.sequence + 1, listed)
            tx.db.execute("INSERT OR REPLACE INTO published_prekeys VALUES (?,?)", (tx.n, index))
        return index

    def show(self, index: int, keys: tuple[Prekey, ...]) -> None:
        """From now on offer this set, whose entry has been committed."""
        self._published = (index, tuple(key.public for key in keys))

    @property
    def published(self) -> tuple[int, tuple[bytes, ...]] | None:
        """The index of our current set's entry and its public keys; None before the first."""
        return self._published

    def offer(self, head: Head) -> PrekeyOffer | None:
        """Our published set, proven under ``head``; None before the first set is under a signed head."""
        if self._published is None or self._published[0] >= head.size:
            return None
        index, keys = self._published
        return PrekeyOffer(self._log.prove(index, head), keys)

    def take(self, tx: Tx, authority: str, n: int, offer: PrekeyOffer, head: Head, now: int) -> None:
        """Take a peer's set, proven under ``head`` of its log. Raises what ``prekeyset.accept_set`` raises; nothing changes then."""
        before = self._peer(authority, tx.db)
        accepted = prekeyset.accept_set(before, n, offer, head, now, sound_prekey)
        row = cbor.encode([n, accepted.index, accepted.sequence, [[*key] for key in accepted.keys]])
        tx.db.execute(
            "INSERT INTO peer (authority, prekeys) VALUES (?,?) ON CONFLICT (authority) DO UPDATE SET prekeys=excluded.prekeys",
            (authority, row),
        )
        query = "SELECT note.size FROM witnessed JOIN note ON note.id=witnessed.note WHERE witnessed.origin=?"
        witnessed = tx.db.execute(query, (head.origin,)).fetchone()
        self.promote(tx, authority, n, witnessed[0] if witnessed else 0)

    def promote(self, tx: Tx, authority: str, n: int, size: int) -> None:
        """A head of this size of the peer's log ``n`` is witnessed: a set that it holds may be used for routine from now on."""
        seen = self._peer(authority, tx.db)
        if seen is not None and seen.n == n and (seen.index < size or not self._quorum(authority)):
            tx.db.execute("UPDATE peer SET witnessed_prekeys=prekeys WHERE authority=?", (authority,))

    def _quorum(self, authority: str) -> int:
        """How many witnesses must have seen a head of this peer's log; 0 when it has none, or no log."""
        try:
            return self._directory().log_in_force(authority).quorum
        except ProtocolError:
            return 0

    def freshest(self, authority: str, now: int, *, logged: bool = False) -> prekeyset.PeerKey | None:
        """The key of this peer to wrap to now (ms), from a witnessed set; with ``logged`` from any proven one. None without one."""
        db = self._store.reader()
        return prekeyset.freshest(self._peer(authority, db, "prekeys" if logged else "witnessed_prekeys"), now)

    def mark(self, writer: Writer, authority: str, key: prekeyset.PeerKey, hashes: Sequence[bytes]) -> None:
        """Remember which deliveries go out under a key that no witnessed head holds: they are shown as such."""
        witnessed = self._peer(authority, self._store.reader(), "witnessed_prekeys")
        if witnessed is None or key not in witnessed.keys:
            rows = [(each, authority) for each in hashes]
            writer.submit(lambda tx: tx.db.executemany("INSERT OR IGNORE INTO logged_prekey VALUES (?,?)", rows))

    def _peer(self, authority: str, db: sqlite3.Connection, column: str = "prekeys") -> prekeyset.SeenSet | None:
        row = db.execute(f"SELECT {column} FROM peer WHERE authority=?", (authority,)).fetchone()  # noqa: S608 - one of two constants
        if row is None or row[0] is None:
            return None
        n, index, sequence, keys = cbor.decode(row[0])  # type: ignore[misc]
        return prekeyset.SeenSet(n, index, sequence, tuple(prekeyset.PeerKey(*key) for key in keys))  # type: ignore[arg-type, misc, union-attr]

    def _last(self, db: sqlite3.Connection) -> tuple[int, Prekeys] | None:
        query = "SELECT idx, bytes FROM published_prekeys JOIN entry USING (n, idx) WHERE n=?"
        row = db.execute(query, (self._log.n,)).fetchone()
        if row is None:
            return None
        entry = parse_entry(bytes(row[1]))
        if not isinstance(entry, Prekeys):
            raise ProtocolError(codes.ENTRY_FORM, "prekeys")
        return int(row[0]), entry
