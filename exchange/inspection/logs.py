"""The log against itself: entries, leaf hashes in the tiles, every head row, the rules, every note of ours, and the guard.

An entry that was edited differs from its leaf hash; leaf hashes that were edited as well make another root than the head rows; head rows
that were edited too contradict the notes that we signed, the guard, and whoever holds a head of ours.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from exchange.auditor.rules import Rules
from exchange.inspection.found import Notes, Scene
from protocol import merkle, tiles
from protocol.checkpoint import verify_head
from protocol.entries import Opened, parse_entry
from protocol.errors import ProtocolError
from protocol.names import Origin

_READ = 4096


def inspect_logs(scene: Scene, notes: Notes) -> None:
    """Every log of ours that is stored, then notes and guard."""
    numbers = [row[0] for row in scene.db.execute("SELECT DISTINCT n FROM entry UNION SELECT DISTINCT n FROM head ORDER BY 1")]
    roots = {n: _inspect(scene, notes, n) for n in numbers}
    if not numbers:
        notes.accuse("entry", "there is no log")
    _signed(scene, notes, roots)
    _guarded(scene, notes, roots)


def _inspect(scene: Scene, notes: Notes, n: int) -> dict[int, bytes]:
    """One log in one pass; the root at each size that has a head row."""
    origin = Origin(scene.network, scene.us, n)
    heads = {row[0]: (bytes(row[1]), row[2]) for row in scene.db.execute("SELECT size, root, time FROM head WHERE n=?", (n,))}
    frontier, rules = merkle.Frontier(), Rules(origin, lambda size: None)
    roots: dict[int, bytes] = {}
    trusted = 0
    for index, raw, leaf in _leaves(scene.db, n):
        if index != frontier.size:
            notes.accuse("entry", f"missing: the next one is {index}", n, frontier.size)
            return roots
        ours = merkle.leaf_hash(raw)
        if leaf != ours:
            notes.accuse("entry", "is not the one whose hash the tree holds", n, index)
        frontier.append(leaf if leaf and leaf != ours else ours)
        _read(scene, notes, rules, (n, index), raw)
        head = heads.get(frontier.size)
        if head is not None:
            roots[frontier.size] = root = frontier.root()
            if root != head[0]:
                notes.accuse("head", f"the head of size {frontier.size} has another root than its entries make", n, trusted)
                return roots
            trusted = frontier.size
    notes.entries += frontier.size
    notes.heads += len(heads)
    if not heads or frontier.size != max(heads):
        notes.accuse("head", f"the newest is of size {max(heads, default=0)}, there are {frontier.size} entries", n, frontier.size)
    return roots


def _read(scene: Scene, notes: Notes, rules: Rules, at: tuple[int, int], raw: bytes) -> None:
    n, index = at
    try:
        entry = parse_entry(raw)
    except ProtocolError as error:
        notes.accuse("entry", f"{error.code.code} {error.detail}", n, index)
        return
    if isinstance(entry, Opened) and (entry.authority, entry.network_id) != (scene.us, scene.directory.network_id):
        notes.accuse("entry", f"this is the log of {entry.authority}, not ours", n, index)
    for broken in rules.broken_by(index, entry):
        notes.accuse("entry", broken, n, index)
    notes.see(n, index, entry)


def _leaves(db: sqlite3.Connection, n: int) -> Iterator[tuple[int, bytes, bytes]]:
    """Index, bytes and stored leaf hash (empty when there is none) of each entry, in order."""
    hashes, number = b"", -1
    for index, raw in db.execute("SELECT idx, bytes FROM entry WHERE n=? ORDER BY idx", (n,)):
        if index // tiles.WIDTH != number:
            number = index // tiles.WIDTH
            row = db.execute("SELECT hashes FROM tile WHERE n=? AND level=0 AND idx=?", (n, number)).fetchone()
            hashes = b"" if row is None else bytes(row[0])
        at = merkle.HASH * (index % tiles.WIDTH)
        yield index, raw.encode("utf-8", "surrogateescape") if isinstance(raw, str) else bytes(raw), hashes[at : at + merkle.HASH]


def _signed(scene: Scene, notes: Notes, roots: dict[int, dict[int, bytes]]) -> None:
    """Every note of ours that is kept bears our signatures, over a root that our entries make."""
    for origin, size, note in scene.db.execute("SELECT origin, size, note FROM note").fetchall():
        ours = origin.rpartition("/log/")[0] == f"{scene.network}/{scene.us}"
        n = int(origin.rpartition("/")[2]) if ours else 0
        try:
            keys = scene.keys.get(n) if ours else scene.directory.log(origin).keys
            if keys is None:
                continue  # of a log whose keys ended with it, and which no directory of ours lists
            head = verify_head(bytes(note), keys, scene.suite).value
        except ProtocolError as error:
            notes.accuse("note", f"of size {size} of {origin}: {error.code.code}")
            continue
        notes.signatures += 1
        known = roots.get(n, {}).get(size) if ours else None
        if known is not None and head.root != known:
            notes.accuse("note", f"we signed another root at size {size}", n, size - 1)


def _guarded(scene: Scene, notes: Notes, roots: dict[int, dict[int, bytes]]) -> None:
    """The guard lies on the history of the newest log, and not beyond it."""
    guard = scene.guard
    if guard is None:
        notes.accuse("guard", "is missing: nobody but the witnesses can tell whether this data is the newest")
        return
    prefix, _, number = guard.origin.rpartition("/")
    if prefix != f"{scene.network}/{scene.us}/log" or not number.isdecimal():
        notes.accuse("guard", f"is of {guard.origin}")
        return
    n, known = int(number), roots.get(int(number), {})
    size = max(known, default=0)
    if guard.size > size or (guard.size and not known):
        notes.accuse("guard", f"has seen size {guard.size}, the data ends at {size}", n, size)
    elif guard.size and known.get(guard.size) != guard.root:
        notes.accuse("guard", f"has seen another history at size {guard.size}", n, guard.size - 1)
    if any(other > n for other in roots):
        notes.accuse("guard", f"is of log {n}, the data has a later one")
