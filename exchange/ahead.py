"""A log that was opened ahead of the directory: after amnesia or theft, under the keys that the directory lists as standby.

    prepare   `rogatory log replace`: which head of log n it follows, what is lost; then the guard names log n+1: no copy signs log n
    open      the node starts on log n+1; ``opened`` says all that
    show      every peer gets it, proven, with each pouch, until the directory lists log n+1 as in force

(SPEC.md section 5.8; docs/disaster.md)
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from exchange import codes
from exchange.guard import Guard, Guarded, Standing
from exchange.log import Log, Tx
from exchange.peering.peers import Peers
from exchange.writer import Writer
from protocol import merkle
from protocol.checkpoint import Checkpoint, Head, sign_head
from protocol.entries import TreeHead
from protocol.errors import LocalError

AMNESIA, COMPROMISE = "amnesia", "compromise"


@dataclass(frozen=True, slots=True)
class Ahead:
    """What ``opened`` of log ``n`` will say: the head of log n-1 that it follows, the reason, and the range lost ([0, 0): nothing)."""

    n: int
    head: TreeHead
    reason: str
    lost: tuple[int, int]


def plan(log: Log, guard: Guarded | None, shown: Mapping[str, Head | None], reason: str) -> Ahead:
    """What to say, from what is stored and what others show. Raises LOG-NOT-LOST for amnesia where nothing is missing.

    After theft our own history counts, and a forged head is no predecessor; after amnesia the greatest head of ours that anybody shows.
    """
    ours = guard.size if guard is not None and log.standing is Standing.ON else log.size
    heads = [TreeHead(head.size, head.root) for head in shown.values() if head is not None]
    if guard is not None and guard.origin == log.origin:
        heads.append(TreeHead(guard.size, guard.root))
    if reason == COMPROMISE:
        heads = [head for head in heads if log.relation(head) is Standing.ON]
    greatest = max(heads, default=TreeHead(0, merkle.EMPTY_ROOT))
    if greatest.size < ours:
        greatest = TreeHead(ours, merkle.root(ours, log))
    known = log.relation(greatest) is Standing.ON
    if known and reason == AMNESIA:
        raise LocalError(codes.LOG_NOT_LOST, f"{log.origin} at {log.size}")
    lost = (0, 0) if known else (min(ours, greatest.size), greatest.size)
    return Ahead(log.n + 1, greatest, reason, lost)


def prepare(ahead: Ahead, log: Log, writer: Writer, peers: Peers, guard: Guard, shown: Mapping[str, Head | None]) -> None:
    """Write the plan down, keep the notes that still prove log n, and move the guard to log n+1. May be run again. Raises GUARD-*."""
    notes = [head for head in shown.values() if head is not None and TreeHead(head.size, head.root) == ahead.head]
    remembered = _remembered(log, ahead)

    def write(tx: Tx) -> None:
        tx.db.execute(
            "INSERT OR REPLACE INTO succession VALUES (?,?,?,?,?,?)", (ahead.n, *ahead.head, ahead.reason, *ahead.lost)
        )
        for head in (*notes[:1], *remembered):
            peers.keep_note(tx, head)

    writer.run(write)
    origin = log.numbered(ahead.n).origin
    if guard.value is None or guard.value.origin != origin:
        guard.swap(guard.value, Guarded(origin, 0, merkle.EMPTY_ROOT))


def opened_ahead(folder: Path) -> int | None:
    """The number of the newest log that this data was told to open ahead of the directory; None without one. Changes nothing."""
    path = folder / "exchange.sqlite"
    if not path.exists():
        return None
    db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    try:
        row = db.execute("SELECT max(n) FROM succession").fetchone()
    except sqlite3.Error:
        return None  # data of an earlier schema, or none that can be read: whoever opens it for work says so
    finally:
        db.close()
    return None if row is None else row[0]


def succession_of(folder: Path, n: int) -> tuple[int, bytes]:
    """The head that log ``n`` follows, from the data, while a node may work on it. Raises LOG-RANGE."""
    db = sqlite3.connect(f"{(folder / 'exchange.sqlite').absolute().as_uri()}?mode=ro", uri=True)
    try:
        row = db.execute("SELECT size, root FROM succession WHERE n=?", (n,)).fetchone()
    finally:
        db.close()
    if row is None:
        raise LocalError(codes.LOG_RANGE, f"log {n}")
    return row[0], bytes(row[1])


def _remembered(log: Log, ahead: Ahead) -> list[Head]:
    """The head of log n up to which we remember it, signed once more: a committed row that was signed before.

    Entries below it stay provable for exports; nobody is asked to take it as a new head.
    """
    size = ahead.lost[0] or ahead.head.size
    query = "SELECT size, root, time FROM head WHERE n=? AND size<=? ORDER BY size DESC LIMIT 1"
    row = log.store.writer.execute(query, (log.n, min(size, log.size))).fetchone()
    if row is None:
        return []
    checkpoint, seconds = Checkpoint(log.origin, row[0], bytes(row[1])), -(-row[2] // 1000)
    return [Head(checkpoint, sign_head(checkpoint, seconds, log.signer, log.keys), seconds)]
