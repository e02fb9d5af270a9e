"""Logs of others that were opened ahead of the directory: accepted on the strength of the standby listing, and then for good.

    directory    log n in force, log n+1 standby with these keys
    shown        head of log n+1 under those keys, and its first entry: ``opened`` by amnesia or compromise, naming n+1
    from then on a head of log n is refused, and log n+1 is the authority's word (SUCC-2)

No key is taken from a log or a peer: the directory listed these before. (SPEC.md section 5.8)
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Final

from exchange.log import Tx
from exchange.repeats import offer_again
from exchange.store import Store
from keys.directory.view import Directory, LogRecord, LogState
from protocol import cbor, codes, merkle
from protocol.checkpoint import Head
from protocol.entries import Opened, parse_entry
from protocol.errors import ProtocolError
from protocol.heads import HeadRecord
from protocol.pouch import HeadOffer, Path
from protocol.treehead import stated_checkpoint

_REASONS: Final = frozenset({"amnesia", "compromise"})


class Successors:
    """Which log an authority speaks under, as its ``opened`` and the directory of now have it."""

    def __init__(self, store: Store, directory: Callable[[], Directory]) -> None:
        self._store = store
        self._directory = directory
        self._shown: dict[str, tuple[bytes, Path, Opened]] = {}

    def record(self, authority: str) -> LogRecord:
        """The log under which this authority speaks now. Raises DIRECTORY-UNKNOWN-AUTHORITY, DIRECTORY-NO-LOG."""
        in_force = self._directory().log_in_force(authority)
        following = self.standby(authority)
        known = self._known(self._store.reader(), authority)
        return following if following is not None and known == following.origin.n else in_force

    def standby(self, authority: str) -> LogRecord | None:
        """The log that may follow the one in force."""
        waiting = [log for log in self._directory().member(authority).logs if log.state is LogState.STANDBY]
        return waiting[0] if waiting else None

    def claimed(self, authority: str, note: bytes) -> LogRecord | None:
        """The standby log, when this note claims to be of it and it has not been accepted yet."""
        following = self.standby(authority)
        if following is None or stated_checkpoint(note).origin != following.keys.origin or self.record(authority) is following:
            return None
        return following

    def check(self, record: LogRecord, head: Head, opened: tuple[bytes, Path]) -> None:
        """Remember a proven ``opened``, for the transaction that confirms this head. Raises HEAD-SUCCESSION."""
        raw, path = opened
        try:
            merkle.check_inclusion(merkle.leaf_hash(raw), 0, head.size, list(path), head.root)
            entry = parse_entry(raw)
        except ProtocolError as error:
            raise ProtocolError(codes.HEAD_SUCCESSION, error.code.code) from None
        good = (
            isinstance(entry, Opened)
            and (entry.authority, entry.n, entry.network_id) == (record.origin.authority, record.origin.n, self._directory().network_id)
            and entry.reason in _REASONS
            and entry.predecessor is not None
        )
        if not good or not isinstance(entry, Opened):
            raise ProtocolError(codes.HEAD_SUCCESSION, str(record.origin))
        self._shown[head.origin] = raw, path, entry

    def offer(self, record: HeadRecord | None, head: Head, offer: HeadOffer) -> HeadOffer:
        """A log's first head that comes with its ``opened`` needs no other link: its owner linked it from a size of the log before."""
        return HeadOffer(0, (), head.note) if record is None and head.origin in self._shown else offer

    def confirmed(self, tx: Tx, head: Head, note: Callable[[], int]) -> None:
        """This head was confirmed; when it opened a log, from now on that log counts, and what was lost is offered again."""
        shown = self._shown.pop(head.origin, None)
        if shown is None:
            return
        raw, path, entry = shown
        if self._known(tx.db, entry.authority) == entry.n:
            return
        tx.db.execute(
            "INSERT OR REPLACE INTO successor VALUES (?,?,?,?,?)", (entry.authority, entry.n, raw, cbor.encode(path), note())
        )
        record = self.standby(entry.authority)
        if record is not None:
            offer_again(tx, entry.authority, entry, record.origin)

    def _known(self, db: sqlite3.Connection, authority: str) -> int | None:
        row = db.execute("SELECT n FROM successor WHERE authority=?", (authority,)).fetchone()
        return None if row is None else row[0]
