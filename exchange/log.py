"""The log of this authority: entries in order, their hash tree, and heads signed only after commit and guard.

Commit, guard, sign, speak (SPEC.md section 5). The writer's thread calls ``write`` inside the group's transaction, ``advance`` after its
commit, and ``sign_newest`` before anything of it is spoken of. Proofs may be asked for from any thread, for any committed size.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Final, TypeVar

from exchange import codes
from exchange.guard import Guard, Guarded, Standing
from exchange.ports import Random
from exchange.rows import Rows, insert
from exchange.store import Store
from exchange.storedlog import Closing, StoredLog
from exchange.subtrees import Subtrees
from protocol import merkle, tiles
from protocol.checkpoint import Head, LogKeys, sign_head
from protocol.entries import SALT, Closed, Consigned, Entry, Opened, Receipted, Submitted, TreeHead
from protocol.errors import Code, LocalError, PassingError, ProtocolError, RogatoryError
from protocol.names import Origin
from protocol.ports import LogSigner
from protocol.pouch import Path
from protocol.treehead import Checkpoint

HELD: Final = 10  # seconds until a peer may ask again, while nothing is signed
TAIL: Final = 1 << 16  # entries that are hashed again at every start; whoever runs the log looks at the older ones while it runs

_ONCE: Final = frozenset({Submitted, Consigned, Receipted})  # of an envelope, and of who sent or receipted it (I2)

E = TypeVar("E", bound=Entry)


class Tx:
    """One group's state changes: statements on the writer's connection, rows to insert, entries of the log. Each change is all or nothing.

    ``time`` (ms) is that of the entries of the change at work, never below the last one's.
    """

    def __init__(self, db: sqlite3.Connection, log: Log, time: int) -> None:
        self.time = time
        self.n = log.n
        self.entries: list[bytes] = []
        self._db = db
        self._log = log
        self._closing = b""
        self._latest = log.time
        self._once: list[tuple[object, ...]] = []
        self._rows = Rows()
        self._mark = 0, self._rows.mark()
        self._mark_once = 0
        self._saved = False

    @property
    def db(self) -> sqlite3.Connection:
        """For statements: sees what was inserted before. A change that never asks for it costs no savepoint."""
        if not self._saved:
            mine = self._rows.cut_off(self._mark[1])
            self._rows.write(self._db)
            self._db.execute("SAVEPOINT change")
            self._saved, self._rows = True, mine
        self._rows.write(self._db)
        return self._db

    def insert(self, into: str, *row: object) -> None:
        """A row that breaks no constraint, whatever else was inserted: written with others, at the latest before the commit."""
        self._rows.insert(into, row)

    def update(self, table: str, columns: tuple[str, ...], id_: int, *values: object) -> None:
        """New values for these columns of one row: written as what is inserted is, after that."""
        self._rows.update(table, columns, (id_, *values))

    def begin(self) -> None:
        """The next change begins."""
        self._mark = len(self.entries), self._rows.mark()
        self._mark_once = len(self._once)
        self._saved = False

    def end(self, *, undo: bool = False) -> None:
        """The change at work is done, or ``undo`` it."""
        if undo:
            del self.entries[self._mark[0] :]
            del self._once[self._mark_once :]
            self._rows.cut_off({} if self._saved else self._mark[1])
            if self._saved:
                self._db.execute("ROLLBACK TO change")
        if self._saved:
            self._db.execute("RELEASE change")

    def write(self) -> sqlite3.Connection:
        """Write what was inserted; the connection, for what belongs to the whole group."""
        self._rows.write(self._db)
        return self._db

    def demand_once(self) -> None:
        """No envelope has two entries of one kind in this group; of groups before, the tables' keys say so. Raises INVARIANT (I2)."""
        if len(set(self._once)) != len(self._once):
            raise LocalError(codes.INVARIANT, "I2: two entries of one kind about one envelope")

    @property
    def closes(self) -> bool:
        """Whether this group ends in ``closed``."""
        return bool(self.entries) and self.entries[-1] is self._closing

    def append(self, cls: type[E], *fields: object) -> int:
        """Append an entry of this kind (fields from key 3 on); its index.

        Raises LOG-CLOSED after ``closed``; INVARIANT when time went back (I8); as ``demand_open``.
        """
        if self._log.closed is not None or self.closes:
            raise LocalError(codes.LOG_CLOSED, self._log.origin)
        self._log.demand_open()
        if cls is not Opened and not self._log.size and not self.entries:  # released, and not begun yet: the first word is `opened`
            raise PassingError(codes.LOG_UNSURE, self._log.origin, seconds=HELD)
        if self.time < self._latest:
            raise LocalError(codes.INVARIANT, f"I8: an entry of {self.time} after one of {self._latest}")
        self._latest = self.time
        if cls in _ONCE:
            self._once.append((cls, fields[0], fields[2]))
        entry: Entry = cls(self.time, self._log.random(SALT), *fields)
        self.entries.append(entry.encode())
        if cls is Closed:
            self._closing = self.entries[-1]
        return self._log.size + len(self.entries) - 1


class Log(StoredLog):
    """The log in force. Raises LOG-DAMAGED, GUARD-MISSING, GUARD-AHEAD when what is stored must not be signed on.

    ``closed``: how it ended, once its last entry is ``closed``; then it takes nothing more and still proves and signs what it holds.
    ``hold``: why nothing is signed now, until ``release``. With ``held`` it begins so (LOG-UNSURE), whatever the guard says: ``standing``.
    ``steady``: asked before each signature; when it says no, the log holds itself (SPEC.md section 5.7).
    ``ahead``: how it follows a log that did not end; ``unlisted``: whether the directory does not list it as in force yet.
    """

    def __init__(
        self, store: Store, origin: Origin, keys: LogKeys, signer: LogSigner, guard: Guard, random: Random, *, held: bool = False
    ) -> None:
        super().__init__(store, origin)
        self.keys = keys
        self.random = random
        self.signer = signer
        self._guard = guard
        self._subtrees = Subtrees()
        self._edge: dict[int, bytes] = {}
        self.stopped = ""
        self.closed: Closing | None = None
        self.signed: Head | None = None
        self.hold: Code | None = codes.LOG_UNSURE if held else None
        self.takes = not held
        self.steady: Callable[[], bool] = lambda: True
        self.unlisted: Callable[[], bool] = lambda: True
        try:
            self._load(store.writer)
            self.standing = self._stand(store.writer)
        except sqlite3.Error as error:  # pages or columns that SQLite itself cannot read
            raise LocalError(codes.LOG_DAMAGED, str(error)) from None
        if not held:
            self.demand_guard()

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
        level = 0
        while filled := self.size >> (tiles.HEIGHT * level):
            index, width = divmod(filled, tiles.WIDTH)
            if width:
                self._subtrees.begin(level, index, self._fetch_from(db)(level, index, width)[: width * merkle.HASH])
            level += 1
        fault = self.fault(max(0, self.size - TAIL), self.size, db)
        if fault is not None:
            raise LocalError(codes.LOG_DAMAGED, f"index {fault}")
        stopped = db.execute("SELECT value FROM meta WHERE key=?", (f"stopped/{self.n}",)).fetchone()
        self.stopped = "" if stopped is None else bytes(stopped[0]).decode()
        self.closed = self.closing(db)
        self._before = self._predecessor(db)
        self.ahead = self.followed(db)

    def _predecessor(self, db: sqlite3.Connection) -> Closing | None:
        """How the log before this one ended, when it names this one as the next."""
        closing = self.numbered(self.n - 1).closing(db) if self.n > 1 else None
        return closing if closing is not None and closing.next_n == self.n else None

    def _stand(self, db: sqlite3.Connection) -> Standing:
        """How the guard lies to what is stored."""
        held = self._guard.value
        if held is None:
            return Standing.MISSING if self.size or self.n > 1 else Standing.NEW
        if self._before is not None and held == Guarded(self.numbered(self.n - 1).origin, *self._before.head):
            return Standing.ON  # the log before ended here, and no head of this one was signed yet
        if held.origin != self.origin or held.size > self.size:
            return Standing.AHEAD
        root = merkle.root(held.size, tiles.TileReader(self._fetch_from(db)))
        return Standing.ON if root == held.root else Standing.BESIDE

    def demand_guard(self) -> None:
        """What is stored may be signed on, as far as the guard can tell; a log nobody has seen gets its guard.

        Raises GUARD-MISSING, GUARD-AHEAD.
        """
        held = self._guard.value
        match self.standing:
            case Standing.NEW:
                self._guard.swap(None, Guarded(self.origin, 0, merkle.EMPTY_ROOT))
                self.standing = Standing.ON
            case Standing.MISSING:
                raise LocalError(codes.GUARD_MISSING, f"{self.size} entries")
            case Standing.AHEAD if held is not None:
                raise LocalError(codes.GUARD_AHEAD, f"{held.origin} at {held.size}, data at {self.size}")
            case Standing.BESIDE if held is not None:
                raise LocalError(codes.GUARD_AHEAD, f"another history at size {held.size}")

    # -- holding --------------------------------------------------------------------------------------------------------------

    def demand_open(self) -> None:
        """Entries may be appended now. Raises the reason of ``hold`` (passing) while nothing may be said at all."""
        if self.hold is not None and not self.takes:
            raise PassingError(self.hold, self.origin, seconds=HELD)

    def relation(self, head: TreeHead) -> Standing:
        """How a head of this log lies to what is stored: ON its history, AHEAD (beyond it) or BESIDE it."""
        if head.size > self.size:
            return Standing.AHEAD
        return Standing.ON if merkle.root(head.size, self) == head.root else Standing.BESIDE

    def keep_held(self, why: Code, *, takes: bool) -> None:
        """Sign nothing from now on; ``takes``: entries are appended nevertheless, and signed once it is released."""
        self.takes = takes
        self.hold = why

    def release(self) -> None:
        """On the writer's thread: what is stored was found to be the newest; sign again. Raises GUARD-LOST, LOG-STOPPED."""
        if self.standing is Standing.MISSING:
            self._guard.swap(None, Guarded(self.origin, 0, merkle.EMPTY_ROOT))
            self.standing = Standing.ON
        self.demand_guard()
        held, self.hold = self.hold, None
        try:
            if self.size:
                self.sign()
        except BaseException:
            self.hold = held
            raise
        self.takes = True

    # -- the group's transaction -----------------------------------------------------------------------------------------------

    def open_first(self, tx: Tx, network_id: bytes, authority: str) -> bool:
        """The first entry of a log that nobody has seen yet, naming the closing head of the one before; whether it was missing."""
        if self.size or tx.entries:
            return False
        if self.ahead is not None:
            lost = None if self.ahead.lost == (0, 0) else self.ahead.lost
            tx.append(Opened, network_id, authority, self.n, self.ahead.head, self.ahead.reason, lost)
            return True
        before = None if self._before is None else self._before.head
        tx.append(Opened, network_id, authority, self.n, before, "first" if before is None else "planned")
        return True

    def write(self, tx: Tx) -> Growth | None:
        """Write entries, tiles and head row of the group; what memory must take over once it is committed. Raises INVARIANT."""
        db = tx.write()
        if not tx.entries:
            return None
        tx.demand_once()
        growth = Growth(self._frontier.copy(), dict(self._edge), tx.time, closes=tx.closes)
        start = self.size
        insert(db, "entry", [(self.n, start + i, raw) for i, raw in enumerate(tx.entries)])
        leaves: dict[int, list[bytes]] = {}
        for raw in tx.entries:
            for level, index, node in growth.frontier.append(merkle.leaf_hash(raw)):
                growth.nodes.append((level, index, node))
                if level % tiles.HEIGHT == 0:
                    leaves.setdefault(level // tiles.HEIGHT, []).append(node)
        for level, hashes in leaves.items():
            self._write_tiles(db, growth, level, start >> (tiles.HEIGHT * level), hashes)
        root = growth.frontier.root()
        db.execute("INSERT INTO head VALUES (?,?,?,?)", (self.n, growth.frontier.size, root, tx.time))
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
        """After the commit: take the new size over."""
        self._frontier, self._edge = growth.frontier, growth.edge
        self._subtrees.grow(growth.nodes)
        self.size, self.root, self.time = growth.frontier.size, growth.frontier.root(), growth.time
        if growth.closes:
            self.closed = self.closing(self._store.writer)

    def sign_newest(self) -> None:
        """Guard and sign what is committed, unless nothing is signed now. Raises GUARD-LOST, LOG-STOPPED."""
        if self.hold is None and not self.steady():
            self.hold = codes.LOG_UNSURE
        if self.hold is None:
            self.sign()

    def sign(self) -> Head:
        """The signed head of the newest committed row. Raises GUARD-LOST, LOG-STOPPED, INVARIANT; the reason of ``hold`` (passing)."""
        if self.hold is not None:
            raise PassingError(self.hold, self.origin, seconds=HELD)
        if self.stopped:
            raise LocalError(codes.LOG_STOPPED, self.stopped)
        if self.signed is None or self.signed.size != self.size:
            row = self._store.writer.execute(
                "SELECT root, time FROM head WHERE n=? AND size=?", (self.n, self.size)
            ).fetchone()
            self._demand_chain(row[0])
            self._guard.swap(self._guard.value, Guarded(self.origin, self.size, row[0]))
            seconds = -(-row[1] // 1000)
            checkpoint = Checkpoint(self.origin, self.size, row[0])
            self.signed = Head(checkpoint, self._note(checkpoint, seconds), seconds)
        return self.signed

    def _demand_chain(self, committed: bytes) -> None:
        """What is to be signed is what was committed, and the hashes that proofs are made of link it to what was signed last.

        Raises INVARIANT (I4).
        """
        held = self._guard.value
        old, before = (held.size, held.root) if held is not None and held.origin == self.origin else (0, merkle.EMPTY_ROOT)
        if old > self.size or committed != self.root:
            raise LocalError(codes.INVARIANT, f"I4: size {self.size} after {old}, or another root than was committed")
        try:
            merkle.check_consistency(old, self.size, merkle.consistency(old, self.size, self), before, self.root)
        except ProtocolError as error:
            raise LocalError(codes.INVARIANT, f"I4: size {self.size} does not continue {old}: {error.code.code}") from None

    def _note(self, checkpoint: Checkpoint, seconds: int) -> bytes:
        """The signed note. Whatever foreign code says (a token that was pulled) is LOG-SIGN."""
        try:
            return sign_head(checkpoint, seconds, self.signer, self.keys)
        except RogatoryError:
            raise
        except Exception as error:  # noqa: BLE001 - a token's driver may raise anything
            raise LocalError(codes.LOG_SIGN, type(error).__name__) from None

    def stop(self, why: str) -> None:
        """Sign nothing any more: a head of ours was seen that we never signed."""
        self.stopped = why

    def introduction(self, head: Head) -> tuple[bytes, Path] | None:
        """``opened`` with its path to this head, for peers, while the directory does not list this log as in force; else None."""
        return (self.entry(0), self.path(0, head.size)) if self.ahead is not None and self.unlisted() else None

    # -- proofs, from any thread -------------------------------------------------------------------------------------------------

    def head(self) -> Head:
        """The newest signed head. Raises LOG-STOPPED; passing: the reason of ``hold``, LOG-UNSURE before the first is signed."""
        if self.stopped:
            raise LocalError(codes.LOG_STOPPED, self.stopped)
        if self.hold is not None:
            raise PassingError(self.hold, self.origin, seconds=HELD)
        if self.signed is None:  # sure of its data, and about to say its first word
            raise PassingError(codes.LOG_UNSURE, self.origin, seconds=1)
        return self.signed

    def node(self, level: int, index: int) -> bytes:
        """The hash of a complete subtree (``merkle.HashReader``). Raises LOG-DAMAGED when a tile does not fit the one above it."""
        found = self._subtrees.get(level, index)
        if found is None:  # complete subtrees never change: the whole tile, for the next path needs its other hashes
            tile_level, height = divmod(level, tiles.HEIGHT)
            at = index << height >> tiles.HEIGHT
            tile = self.tile(tile_level, at, tiles.WIDTH)
            if len(tile) == tiles.WIDTH * merkle.HASH:
                above = self.node(tiles.HEIGHT * (tile_level + 1), at)
                if not self._subtrees.keep(tile_level, at, tile, above):
                    raise LocalError(codes.LOG_DAMAGED, tiles.tile_path(tile_level, at))
            found = self._subtrees.get(level, index) or super().node(level, index)
        return found


class Growth:
    """What a group adds to the tree, kept aside until its commit."""

    def __init__(self, frontier: merkle.Frontier, edge: dict[int, bytes], time: int, *, closes: bool) -> None:
        self.frontier = frontier
        self.edge = edge
        self.time = time
        self.closes = closes
        self.nodes: list[tuple[int, int, bytes]] = []
