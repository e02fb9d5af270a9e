"""What lies here of parts that are not whole: bounded for each peer, set right at every start, cleared when nothing can come any more.

    messages   512 of one peer may miss parts, 8,192 parts in all: beyond that, *later* (DOS-7)
    bytes      parts that one peer has begun count with their whole length: 64 GiB and a tenth of the disk
    start      a file that no message wants is removed; a part whose file is lost is wanted again
    end        three days after its message's end a part that is not whole is dropped

(docs/evidence.md)
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from typing import Final

from exchange import codes
from exchange.evidence.partfiles import PartFiles
from exchange.evidence.paused import Key
from exchange.log import Tx
from exchange.store import Store
from exchange.writer import Writer
from protocol import limits
from protocol.envelope import parse_envelope
from protocol.errors import PassingError

AGAIN: Final = 600  # seconds until a peer may announce more


def pending_full(db: sqlite3.Connection, peer: str, parts: int) -> bool:
    """Whether so many parts more, of one more message, are too many of this peer."""
    query = (
        "SELECT count(DISTINCT incoming.hash), count(*) FROM incoming JOIN incoming_part p ON p.hash=incoming.hash"
        " WHERE sender=? AND state='pending' AND p.done=0"
    )
    messages, wanted = db.execute(query, (peer,)).fetchone()
    return bool(messages >= limits.PENDING_PEER or wanted + parts > limits.PENDING_PARTS)


class Spool:
    """``disk`` gives the bytes of the whole disk. Any thread may call."""

    def __init__(self, store: Store, writer: Writer, files: PartFiles, disk: Callable[[], int]) -> None:
        self._store, self._writer, self._files, self._disk = store, writer, files, disk
        self._begun: dict[str, dict[Key, int]] = {}
        self._lock = threading.Lock()
        self._set_right()

    def begin(self, peer: str, key: Key, length: int) -> None:
        """This part is begun, or goes on. Raises PART-SPOOL (passing)."""
        most = min(limits.SPOOL_PEER, self._disk() // limits.SPOOL_SHARE)
        with self._lock:
            begun = self._begun.setdefault(peer, {})
            if key not in begun and sum(begun.values()) + length > most:
                raise PassingError(codes.PART_SPOOL, f"{most} bytes", seconds=30)
            begun[key] = length

    def end(self, key: Key) -> None:
        """This part is whole, or dropped."""
        with self._lock:
            for begun in self._begun.values():
                begun.pop(key, None)

    def end_message(self, envelope_hash: bytes) -> None:
        """No part of this message is wanted any more."""
        with self._lock:
            for begun in self._begun.values():
                for key in [key for key in begun if key[0] == envelope_hash]:
                    del begun[key]

    def clear(self, now: int) -> int:
        """Drop what came of messages that ended three days ago and are not whole; how many messages."""
        query = "SELECT hash, envelope FROM incoming INDEXED BY incoming_pending WHERE state='pending'"
        ended = [
            hash_ for hash_, raw in self._store.reader().execute(query).fetchall()
            if parse_envelope(raw).expires + limits.PARTIAL_GRACE <= now and self._files.any_incoming(hash_)
        ]  # fmt: skip
        for envelope_hash in ended:
            self._writer.run(lambda tx, hash_=envelope_hash: _want_all(tx, hash_))  # type: ignore[misc]
            self._files.drop_message(envelope_hash)
            self.end_message(envelope_hash)
        return len(ended)

    def _set_right(self) -> None:
        db = self._store.reader()
        for envelope_hash, number in self._files.all_incoming():
            query = "SELECT sender, state, p.done, p.length FROM incoming JOIN incoming_part p USING (hash) WHERE hash=? AND p.i=?"
            row = db.execute(query, (envelope_hash, number)).fetchone()
            if row is None or row[1] == "refused":
                self._files.drop_part(envelope_hash, number)
            elif row[1] == "pending" and not row[2]:
                self._begun.setdefault(row[0], {})[envelope_hash, number] = row[3]
        query = (
            "SELECT hash, p.i FROM incoming INDEXED BY incoming_pending CROSS JOIN incoming_part p USING (hash)"
            " WHERE state='pending' AND p.done=1"
        )
        lost = [key for key in db.execute(query).fetchall() if not self._files.incoming(*key).exists()]
        if lost:
            self._writer.run(lambda tx: tx.db.executemany("UPDATE incoming_part SET done=0 WHERE hash=? AND i=?", lost))


def _want_all(tx: Tx, envelope_hash: bytes) -> None:
    tx.db.execute("UPDATE incoming_part SET done=0 WHERE hash=?", (envelope_hash,))
