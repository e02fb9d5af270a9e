"""The log of this authority: entries in order, their hash tree, and heads signed only after commit and guard.

Commit, guard, sign, speak (SPEC.md section 5). The writer's thread calls ``write`` inside the group's transaction, ``advance`` after its
commit, and only then is the new head signed. Proofs may be asked for from any thread, for any committed size.
"""

from __future__ import annotations

import sqlite3
from typing import TypeVar

from exchange import codes
from exchange.guard import Guard, Guarded
from exchange.ports import Random
from exchange.store import Store
from exchange.storedlog import Closing, StoredLog
from protocol import merkle, tiles
from protocol.checkpoint import Head, LogKeys, sign_head
from protocol.entries import SALT, Closed, Entry, Opened
from protocol.errors import LocalError
from protocol.names import Origin
from protocol.ports import LogSigner
from protocol.treehead import Checkpoint

_RECENT = 1 << 18  # nodes kept in memory: the last 131,072 leaves and everything above them
E = TypeVar("E", bound=Entry)


class Tx:
    """One state change: statements on the writer's connection, and entries appended to the log, all or nothing.

    ``time`` (ms) is that of every entry of the group, never below the last one's.
    """

    def __init__(self, db: sqlite3.Connection, log: Log, time: int) -> None:
        self.db = db
        self.time = time
        self.n = log.n
        self.entries: list[bytes] = []
        self._log = log
        self._closing = b""

    @property
    def closes(self) -> bool:
        """Whether this group ends in ``closed``."""
        return bool(self.entries) and self.entries[-1] is self._closing

    def append(self, cls: type[E], *fields: object) -> int:
        """Append an entry of this kind (fields from key 3 on); its index. Raises LOG-CLOSED after ``closed``."""
        if self._log.closed is not None or self.closes:
            raise LocalError(codes.LOG_CLOSED, self._log.origin)
        entry: Entry = cls(self.time, self._log.random(SALT), *fields)
        self.entries.append(entry.encode())
        if cls is Closed:
            self._closing = self.entries[-1]
        return self._log.size + len(self.entries) - 1


class Log(StoredLog):
    """The log in force. Raises LOG-DAMAGED, GUARD-MISSING, GUARD-AHEAD when what is stored must not be signed on.

    ``closed``: how it ended, once its last entry is ``closed``; then it takes nothing more and still proves and signs what it holds.
    """

    def __init__(
        self, store: Store, origin: Origin, keys: LogKeys, signer: LogSigner, guard: Guard, random: Random
    ) -> None:
        super().__init__(store, origin)
        self.keys = keys
        self.random = random
        self._signer = signer
        self._guard = guard
        self._recent: dict[tuple[int, int], bytes] = {}
        self._edge: dict[int, bytes] = {}
        self.stopped = ""
        self.closed: Closing | None = None
        self.signed: Head | None = None
        try:
            self._load(store.writer)
        except sqlite3.Error as error:  # pages or columns that SQLite itself cannot read
            raise LocalError(codes.LOG_DAMAGED, str(error)) from None

    # -- what is committed ---------------------------------------------------------------------------------------------------

    def _load(self, db: sqlite3.Connection) -> None:
        row = db.execute("SELECT size, root, time FROM head WHERE n=? ORDER BY size DESC LIMIT 1", (self.n,)).fetchone()
        self.size: int = row[0] if row else 0
        self.root: bytes = row[1] if row else merkle.EMPTY_ROOT
        self.time: int = row[2] if row else 0
        last = db.execute("SELECT max(idx) FROM entry WHERE n=?", (self.n,)).fetchone()[0]
        if (-1 if last is None else last) + 1 != self.size:
            raise LocalError(codes.LOG_DAMAGED, f"entries do not end at {self.size}")
        self._frontier = merkle.Frontier.read(self.size, tiles.TileReader(self._fetch_from(db)))
        if self._frontier.root() != self.root:
            raise LocalError(codes.LOG_DAMAGED, f"size {self.size}")
        stopped = db.execute("SELECT value FROM meta WHERE key=?", (f"stopped/{self.n}",)).fetchone()
        self.stopped = "" if stopped is None else bytes(stopped[0]).decode()
        self.closed = self.closing(db)
        self._before = self._predecessor(db)
        self._check_guard(db)

    def _predecessor(self, db: sqlite3.Connection) -> Closing | None:
        """How the log before this one ended, when it names this one as the next."""
        closing = self.numbered(self.n - 1).closing(db) if self.n > 1 else None
        return closing if closing is not None and closing.next_n == self.n else None

    def _check_guard(self, db: sqlite3.Connection) -> None:
        held = self._guard.value
        if held is None:
            if self.size or self.n > 1:
                raise LocalError(codes.GUARD_MISSING, f"{self.size} entries")
            self._guard.swap(None, Guarded(self.origin, 0, merkle.EMPTY_ROOT))
            return
        if self._before is not None and held == Guarded(self.numbered(self.n - 1).origin, *self._before.head):
            return  # the log before ended here, and no head of this one was signed yet
        if held.origin != self.origin or held.size > self.size:
            raise LocalError(codes.GUARD_AHEAD, f"{held.origin} at {held.size}, data at {self.size}")
        if merkle.root(held.size, tiles.TileReader(self._fetch_from(db))) != held.root:
            raise LocalError(codes.GUARD_AHEAD, f"another history at size {held.size}")

    # -- the group's transaction -----------------------------------------------------------------------------------------------

    def open_first(self, tx: Tx, network_id: bytes, authority: str) -> bool:
        """The first entry of a log that nobody has seen yet, naming the closing head of the one before; whether it was missing."""
        if self.size or tx.entries:
            return False
        before = None if self._before is None else self._before.head
        tx.append(Opened, network_id, authority, self.n, before, "first" if before is None else "planned")
        return True

    def write(self, tx: Tx) -> Growth | None:
        """Write entries, tiles and head row of the group; what memory must take over once it is committed."""
        if not tx.entries:
            return None
        growth = Growth(self._frontier.copy(), dict(self._edge), tx.time, closes=tx.closes)
        start = self.size
        tx.db.executemany("INSERT INTO entry VALUES (?,?,?)", [(self.n, start + i, raw) for i, raw in enumerate(tx.entries)])
        leaves: dict[int, list[bytes]] = {}
        for raw in tx.entries:
            for level, index, node in growth.frontier.append(merkle.leaf_hash(raw)):
                growth.nodes.append(((level, index), node))
                if level % tiles.HEIGHT == 0:
                    leaves.setdefault(level // tiles.HEIGHT, []).append(node)
        for level, hashes in leaves.items():
            self._write_tiles(tx.db, growth, level, start >> (tiles.HEIGHT * level), hashes)
        root = growth.frontier.root()
        tx.db.execute("INSERT INTO head VALUES (?,?,?,?)", (self.n, growth.frontier.size, root, tx.time))
        return growth

    def _write_tiles(self, db: sqlite3.Connection, growth: Growth, level: int, at: int, hashes: list[bytes]) -> None:
        index, filled = divmod(at, tiles.WIDTH)
        edge = growth.edge.get(level)
        if edge is None:
            edge = self._fetch_from(db)(level, index, filled) if filled else b""
        edge += b"".join(hashes)
        full = tiles.WIDTH * merkle.HASH
        while len(edge) >= full:
            db.execute("INSERT OR REPLACE INTO tile VALUES (?,?,?,?)", (self.n, level, index, edge[:full]))
            index, edge = index + 1, edge[full:]
        if edge:
            db.execute("INSERT OR REPLACE INTO tile VALUES (?,?,?,?)", (self.n, level, index, edge))
        growth.edge[level] = edge

    def advance(self, growth: Growth) -> None:
        """After the commit: take the new size over, then guard and sign. Raises GUARD-LOST, LOG-STOPPED."""
        self._frontier, self._edge = growth.frontier, growth.edge
        self._recent.update(growth.nodes)
        while len(self._recent) > _RECENT:
            del self._recent[next(iter(self._recent))]
        self.size, self.root, self.time = growth.frontier.size, growth.frontier.root(), growth.time
        if growth.closes:
            self.closed = self.closing(self._store.writer)
        self.sign()

    def sign(self) -> Head:
        """The signed head of the newest committed row. Raises GUARD-LOST, LOG-STOPPED."""
        if self.stopped:
            raise LocalError(codes.LOG_STOPPED, self.stopped)
        if self.signed is None or self.signed.size != self.size:
            row = self._store.writer.execute(
                "SELECT root, time FROM head WHERE n=? AND size=?", (self.n, self.size)
            ).fetchone()
            self._guard.swap(self._guard.value, Guarded(self.origin, self.size, row[0]))
            seconds = -(-row[1] // 1000)
            checkpoint = Checkpoint(self.origin, self.size, row[0])
            self.signed = Head(checkpoint, sign_head(checkpoint, seconds, self._signer, self.keys), seconds)
        return self.signed

    def stop(self, why: str) -> None:
        """Sign nothing any more: a head of ours was seen that we never signed."""
        self.stopped = why

    # -- proofs, from any thread -------------------------------------------------------------------------------------------------

    def head(self) -> Head:
        """The newest signed head."""
        if self.signed is None or self.stopped:
            raise LocalError(codes.LOG_STOPPED, self.stopped or "nothing signed yet")
        return self.signed

    def node(self, level: int, index: int) -> bytes:
        """The hash of a complete subtree (``merkle.HashReader``)."""
        found = self._recent.get((level, index))
        return found or super().node(level, index)


class Growth:
    """What a group adds to the tree, kept aside until its commit."""

    def __init__(self, frontier: merkle.Frontier, edge: dict[int, bytes], time: int, *, closes: bool) -> None:
        self.frontier = frontier
        self.edge = edge
        self.time = time
        self.closes = closes
        self.nodes: list[tuple[tuple[int, int], bytes]] = []
