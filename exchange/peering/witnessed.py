"""Witnessed heads: which heads of each log, ours included, bear the quorum of its witnesses, and what is proven under them.

    ours      carried to our witnesses; their lines are gathered until the quorum is there, then the note is kept and told to peers
    others'   told with their pouches and prekeys; the note must bear the quorum and be linked to the head it came with

A proof that was stored under a head that is only *logged* becomes *witnessed* when that head is linked to a later witnessed one: one
link per note, however many entries are proven under it. Nothing here is ever waited for. (SPEC.md section 5.10)
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import NamedTuple

from exchange import codes
from exchange.log import Log, Tx
from exchange.peering.prekeyshelf import PrekeyShelf
from exchange.peering.quorum import Bracket, bracket, good_line, line_time, weigh, witness_keys
from exchange.store import Store
from exchange.writer import Writer
from keys.directory.view import Directory
from protocol import addcheckpoint, cbor, merkle
from protocol import codes as protocol_codes
from protocol.checkpoint import Head
from protocol.errors import ProtocolError
from protocol.heads import ForkCase, ForkProof, HeadError
from protocol.links import LINKS, encode_links, parse_links
from protocol.names import Origin
from protocol.note import parse_note
from protocol.ports import Verifier
from protocol.pouch import HeadOffer, Path
from protocol.treehead import Checkpoint, stated_checkpoint

_OTHER = "(origin<? OR origin>?)"  # not ours: so the index passes over our own notes, of which there is one for each pouch


class Kept(NamedTuple):
    """A note with its quorum, and its row."""

    id: int
    note: bytes
    size: int


class Wanted(NamedTuple):
    """Links that one log is to be asked for: from each of these notes (row, size) to its greatest witnessed head."""

    origin: str
    to: Kept
    notes: tuple[tuple[int, int], ...]


class WitnessedHeads:
    """``directory`` gives the one in force; ``pending``: the witnesses whose line is missing, and why, as whoever visits them knows."""

    def __init__(
        self, store: Store, writer: Writer, log: Log, shelf: PrekeyShelf, directory: Callable[[], Directory], verifier: Verifier
    ) -> None:
        self._store, self._writer, self._log, self._shelf = store, writer, log, shelf
        self._directory, self._verifier = directory, verifier
        self._told: dict[str, int] = {}
        self.pending: Callable[[], dict[str, str]] = dict

    # -- heads of ours -------------------------------------------------------------------------------------------------------

    def request(self, head: Head, old: int) -> bytes:
        """The call by which a witness that has confirmed size ``old`` is shown this head of ours. Raises LOG-RANGE."""
        return addcheckpoint.format_request(HeadOffer(old, self._log.consistency(old, head), head.note))

    def take_lines(self, witness: str, head: Head, lines: bytes) -> Future[bool]:
        """Take what a witness of ours answered for this head; resolves to whether the head has its quorum now.

        Raises WITNESS-LINES when its line is missing or not good, or the directory does not name it.
        """
        directory = self._directory()
        vkey = witness_keys(directory.log(head.origin), directory).get(witness)
        line = None
        if vkey is not None:
            with suppress(ProtocolError):
                line = good_line(parse_note(addcheckpoint.add_lines(head.note, lines)), vkey, self._verifier)
        if line is None:
            raise ProtocolError(codes.WITNESS_LINES, witness)
        row = (self._log.n, head.size, witness, line_time(line), f"{line}\n".encode())
        return self._writer.submit(lambda tx: self._gather(tx, head, row))

    def take_cosignature(self, peer: str, head: Head, lines: bytes | None) -> None:
        """Take the lines that came with an answer to a pouch under this head of ours, if any; bad ones harm nothing."""
        if lines is not None:
            with suppress(ProtocolError):
                self.take_lines(peer, head, lines)

    def _gather(self, tx: Tx, head: Head, row: tuple[int, int, str, int, bytes]) -> bool:
        newest = self.newest(head.origin, tx.db)
        if newest is not None and head.size < newest.size:
            return True
        tx.db.execute("INSERT OR IGNORE INTO witness_line VALUES (?,?,?,?,?)", row)  # the first time that it saw this head stands
        query = "SELECT witness, time, line FROM witness_line WHERE n=? AND size=? ORDER BY witness"
        rows = tx.db.execute(query, row[:2]).fetchall()
        seen = bracket(self._directory().log(head.origin), {witness: time for witness, time, _ in rows})
        if not seen.not_after:
            return False
        _keep(tx, head.checkpoint, head.note + b"".join(line for _, _, line in rows), seen)
        tx.db.execute("DELETE FROM witness_line WHERE n=? AND size<?", row[:2])
        return True

    def tell(self, peer: str, head: Head, *, again: bool = False) -> tuple[bytes, Path] | None:
        """Our greatest witnessed head with the path between it and ``head``, for a pouch; None when this peer was told (or ``again``)."""
        newest = self.newest(self._log.origin)
        if newest is None or (newest.size <= self._told.get(peer, 0) and not again):
            return None
        self._told[peer] = newest.size
        low, high = sorted((newest.size, head.size))
        return newest.note, tuple(merkle.consistency(low, high, self._log))

    # -- heads of others -----------------------------------------------------------------------------------------------------

    def hear(self, head: Head, told: tuple[bytes, Path] | None) -> None:
        """Take what a peer told of its greatest witnessed head beside ``head``, which the head rule has judged.

        What does not bear the quorum or is not linked is not taken, and harms nothing else.
        """
        if told is None:
            return
        note, path = told
        try:
            said = stated_checkpoint(note)
            newest = self.newest(head.origin)
            if said.origin != head.origin or (newest is not None and said.size <= newest.size):
                return
            directory = self._directory()
            weighed = weigh(note, directory.log(head.origin), directory, self._verifier)
            low, high = sorted((said, head.checkpoint), key=lambda one: one.size)
            merkle.check_consistency(low.size, high.size, list(path), low.root, high.root)
        except ProtocolError:
            return
        if weighed.bracket.not_after:
            self._writer.run(lambda tx: self._hear(tx, said, weighed.note, weighed.bracket))

    def _hear(self, tx: Tx, said: Checkpoint, note: bytes, seen: Bracket) -> None:
        _keep(tx, said, note, seen)
        origin = Origin.parse(said.origin)
        self._shelf.promote(tx, origin.authority, origin.n, said.size)

    def newest(self, origin: str, db: sqlite3.Connection | None = None) -> Kept | None:
        """The greatest witnessed head of this log that we have."""
        query = "SELECT note.id, note.note, note.size FROM witnessed JOIN note ON note.id=witnessed.note WHERE witnessed.origin=?"
        row = (db or self._store.reader()).execute(query, (origin,)).fetchone()
        return None if row is None else Kept(row[0], bytes(row[1]), row[2])

    # -- links -----------------------------------------------------------------------------------------------------------------

    def wanted(self) -> list[Wanted]:
        """Which links to ask for: of notes under which something is proven that could be witnessed by now."""
        found = []
        query = f"SELECT DISTINCT origin FROM note WHERE not_after=0 AND later IS NULL AND {_OTHER}"  # noqa: S608 - a constant
        for (origin,) in self._store.reader().execute(query, (self._log.origin, self._log.origin)).fetchall():
            to = self._closing(origin) or self.newest(origin)
            query = "SELECT id, size FROM note WHERE origin=? AND size<? AND not_after=0 AND later IS NULL ORDER BY size DESC LIMIT ?"
            rows = [] if to is None else self._store.reader().execute(query, (origin, to.size, LINKS)).fetchall()
            if to is not None and rows:
                found.append(Wanted(origin, to, tuple(rows)))
        return found

    def unclosed(self) -> list[str]:
        """Logs of others that the directory lists as closed, of which we hold proofs and not the closing head's note."""
        logs = [log for member in self._directory().members.values() for log in member.logs if log.closing is not None]
        found = [str(log.origin) for log in logs if str(log.origin) != self._log.origin]
        query = "SELECT 1 FROM note WHERE origin=? AND later IS NULL LIMIT 1"
        return [
            origin for origin in sorted(found)
            if self._store.reader().execute(query, (origin,)).fetchone() is not None and self._closing(origin) is None
        ]  # fmt: skip

    def _closing(self, origin: str) -> Kept | None:
        """The note of a log's closing head, as the directory lists it, when we have it."""
        query = "SELECT id, note, size FROM note WHERE origin=? AND size=?"
        row = self._store.reader().execute(query, (origin, self._closing_size(origin))).fetchone()
        return None if row is None else Kept(row[0], bytes(row[1]), row[2])

    def _closing_size(self, origin: str) -> int:
        try:
            closing = self._directory().log(origin).closing
        except ProtocolError:
            return 0
        return 0 if closing is None else closing[0]

    def unseen(self) -> list[str]:
        """The authorities of logs whose proofs we hold under heads beyond the greatest witnessed one that they told us of."""
        query = (
            f"SELECT DISTINCT origin FROM note WHERE not_after=0 AND later IS NULL AND {_OTHER}"  # noqa: S608 - a constant
            " AND size>=coalesce((SELECT w.size FROM witnessed JOIN note w ON w.id=witnessed.note WHERE witnessed.origin=note.origin), 0)"
        )
        rows = self._store.reader().execute(query, (self._log.origin, self._log.origin)).fetchall()
        found = {Origin.parse(origin) for (origin,) in rows}
        members = self._directory().members
        return sorted(o.authority for o in found if o.authority in members and members[o.authority].active)

    def links(self, n: int, size: int, olds: Sequence[int]) -> bytes:
        """Full consistency paths from these sizes of our log ``n`` to ``size``, in order. Raises LOG-RANGE, LINK-RANGE."""
        log = self._log.numbered(n)
        closing = None if n == self._log.n else log.closing()
        end = self._log.head().size if n == self._log.n else 0 if closing is None else closing.head.size
        if not 1 <= len(olds) <= LINKS or not all(0 < old < size <= end for old in olds):
            raise ProtocolError(codes.LINK_RANGE, f"to size {size} of log {n}")
        return encode_links(merkle.full_consistency(old, size, log) for old in olds)

    def take_links(self, wanted: Wanted, answer: bytes) -> int:
        """Take the links that a log gave; how many. Raises LINK-FORM when they are not those asked for, HEAD-FORKED with the proof."""
        paths = parse_links(answer, len(wanted.notes))
        good = []
        for (note, _), path in zip(wanted.notes, paths, strict=True):
            row = self._store.reader().execute("SELECT note FROM note WHERE id=?", (note,)).fetchone()
            check_link(row[0], wanted.to.note, path)
            good.append((wanted.to.id, cbor.encode(list(path)), note))
        self._writer.run(lambda tx: tx.db.executemany("UPDATE note SET later=?, link=? WHERE id=?", good))
        return len(good)


def check_link(older: bytes, newer: bytes, path: Sequence[bytes]) -> None:
    """Check a full consistency path between two notes of one log, whose signatures were checked before.

    Raises LINK-FORM, PROOF-CONSISTENCY, and HEAD-FORKED with the proof when the newer tree holds another older one.
    """
    old, new = stated_checkpoint(older), stated_checkpoint(newer)
    old_root, new_root = merkle.roots_from_consistency(old.size, new.size, path)
    if new_root != new.root:
        raise ProtocolError(protocol_codes.LINK_FORM, f"from size {old.size} to {new.size}")
    if old_root != old.root:
        fork = ForkProof(ForkCase.PATH, older, newer, tuple(path))
        raise HeadError(protocol_codes.HEAD_FORKED, f"sizes {old.size} and {new.size}", greatest=old.size, fork=fork)


def _keep(tx: Tx, head: Checkpoint, note: bytes, seen: Bracket) -> None:
    """Keep a note with its quorum: in the place of one that was only logged, and as its log's greatest."""
    row = tx.db.execute(
        "INSERT INTO note (origin, size, note, not_after, not_before) VALUES (?,?,?,?,?) ON CONFLICT (origin, size) DO UPDATE SET"
        " note=excluded.note, not_after=excluded.not_after, not_before=excluded.not_before, later=NULL, link=NULL RETURNING id",
        (head.origin, head.size, note, seen.not_after, seen.not_before),
    ).fetchone()
    tx.db.execute(
        "INSERT INTO witnessed VALUES (?,?) ON CONFLICT (origin) DO UPDATE SET note=excluded.note"
        " WHERE (SELECT size FROM note WHERE id=witnessed.note) < ?",
        (head.origin, row[0], head.size),
    )
