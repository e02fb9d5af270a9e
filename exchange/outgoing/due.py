"""What is due for a peer and lane, oldest first, as much as one pouch may hold."""

from __future__ import annotations

import json
from collections.abc import Collection

from exchange.bag import Row
from exchange.log import Log
from exchange.ports import Clock
from exchange.store import Store
from protocol import limits
from protocol.delivery import State
from protocol.entries import Lane

_ITEM_ROOM = 4096  # entry, path, wrap and frame of one item beside its envelope and body
_QUERY = (
    "SELECT d.id, d.hash, o.message_id, d.state, d.attempts, o.envelope, o.body, o.idx, d.receipt, o.time, e.bytes, s.wrapped"
    " FROM delivery d CROSS JOIN outgoing o ON o.id=d.message CROSS JOIN entry e ON e.n=? AND e.idx=o.idx"
    " LEFT JOIN secret s ON s.message_id=o.message_id AND s.hash=o.hash WHERE d.recipient=? AND d.lane=? AND d.state IN ('queued','wanted')"
    " AND d.due<=? AND o.idx<? AND d.id NOT IN (SELECT value FROM json_each(?)) ORDER BY d.due, d.id LIMIT ?"
)  # cross joins: the index of what is due leads


class Due:
    """Reads only, from any thread."""

    def __init__(self, store: Store, log: Log, clock: Clock) -> None:
        self._store, self._log, self._clock = store, log, clock

    def next(self, peer: str, lane: Lane) -> int | None:
        """When (ms) something is next due for this peer and lane; None when nothing is open."""
        query = "SELECT min(due) FROM delivery WHERE recipient=? AND lane=? AND state IN ('queued','wanted')"
        return self._store.reader().execute(query, (peer, int(lane))).fetchone()[0]  # type: ignore[no-any-return]

    def rows(
        self, peer: str, lane: Lane, size: int | None = None, most: int = limits.POUCH_ITEMS, beside: Collection[int] = ()
    ) -> tuple[list[Row], bool]:
        """What one pouch under the head of this size (of now) may hold, and whether more may be due. ``beside``: without these ids."""
        size = self._log.head().size if size is None else size
        rows: list[Row] = []
        room = limits.POUCH - limits.POUCH_HEAD
        asked = self._log.n, peer, int(lane), self._clock.now(), size, json.dumps(list(beside)), most
        cursor = self._store.reader().execute(_QUERY, asked)
        for row in (_row(found, lane) for found in cursor):
            room -= _ITEM_ROOM + (len(row.envelope) + len(row.body) if row.state is State.QUEUED else 0)
            if room < 0:
                return rows, True
            rows.append(row)
        return rows, len(rows) == most


def _row(
    found: tuple[int, bytes, bytes, str, int, bytes, bytes, int, bytes | None, int, bytes, bytes | None], lane: Lane
) -> Row:
    id_, hash_, message_id, state, *rest = found
    return Row(id_, hash_, message_id, State(state), lane, *rest)  # type: ignore[arg-type]
