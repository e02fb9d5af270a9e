"""Warns of messages that have no receipt yet, at sensible points before their deadline. (SPEC.md section 4.3)

    looked last ──────(warning times of open deliveries within)────── now

Each warning is told once: what was looked at last is stored with it. Routine deliveries may be a million, so only those near a point are
looked at: the end by its index every time, the half by a look through all once an hour.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from exchange.log import Tx
from exchange.ports import Clock
from exchange.store import Store
from exchange.writer import Writer
from protocol import limits, warnings
from protocol.entries import Lane

_HALVES_EVERY: Final = 1 * limits.HOUR
_STORED_EVERY: Final = 10 * limits.MINUTE
_MOST: Final = 1000  # told at once; of more the list of the outbox tells
_COLUMNS: Final = (
    "SELECT d.id, d.hash, o.message_id, d.recipient, d.lane, d.state, d.attempts, d.last_code, o.time, d.expires FROM delivery d"
    " JOIN outgoing o ON o.id=d.message WHERE d.state IN ('queued','wanted','held')"
)
_URGENT: Final = f"{_COLUMNS} AND d.lane=1 LIMIT {_MOST}"
_ENDING: Final = f"{_COLUMNS} AND d.lane=0 AND d.expires>? AND d.expires<=? LIMIT {_MOST}"
_HALF: Final = f"{_COLUMNS} AND d.lane=0 AND (o.time+d.expires)/2>? AND (o.time+d.expires)/2<=? LIMIT {_MOST}"


@dataclass(frozen=True, slots=True)
class Late:
    """A delivery without a receipt. Times in ms."""

    hash: bytes
    message_id: bytes
    recipient: str
    lane: Lane
    state: str
    attempts: int
    last_code: str
    submitted: int
    expires: int


Warned: TypeAlias = Callable[[Sequence[Late]], None]


class Deadlines:
    """``look`` now and then, from one thread at a time; ``on_late`` is told."""

    def __init__(self, store: Store, writer: Writer, clock: Clock) -> None:
        self._store, self._writer, self._clock = store, writer, clock
        self._looked = self._read("warned", clock.now())
        self._halves = self._read("warned/half", clock.now())
        self._stored = clock.now()
        self.on_late: Warned = lambda late: None

    def look(self) -> int:
        """Warn of what has come to a warning time since the last look; how many deliveries."""
        now = self._clock.now()
        found = self._found(now)
        halves = now - self._halves >= _HALVES_EVERY
        if halves:
            found += self._rows(_HALF, self._halves, now)
        late = {row[0]: _late(row) for row in found}
        if late or now - self._stored >= _STORED_EVERY:
            self._writer.run(lambda tx: _store(tx, now, now if halves else self._halves))
            self._stored = now
        self._looked, self._halves = max(self._looked, now), now if halves else self._halves
        if late:
            self.on_late(list(late.values()))
        return len(late)

    def _found(self, now: int) -> list[tuple]:  # type: ignore[type-arg]  # a row
        rows = [
            row for row in self._rows(_URGENT)
            if any(self._looked < time <= now for time in warnings.warning_times(Lane.URGENT, row[8], row[9]))
        ]  # fmt: skip
        for before in warnings.BEFORE[Lane.ROUTINE]:
            ending = self._rows(_ENDING, self._looked + before, now + before)
            rows += [row for row in ending if row[8] < row[9] - before]  # it was valid for longer than that
        return rows

    def _rows(self, query: str, *between: int) -> list[tuple]:  # type: ignore[type-arg]
        return self._store.reader().execute(query, between).fetchall()

    def _read(self, key: str, default: int) -> int:
        row = self._store.reader().execute("SELECT value FROM meta WHERE key=?", (key,)).fetchone()
        return default if row is None else min(int(row[0]), default)


def _late(row: tuple[int, bytes, bytes, str, int, str, int, str, int, int]) -> Late:
    _, hash_, message_id, recipient, lane, state, attempts, last_code, submitted, expires = row
    return Late(hash_, message_id, recipient, Lane(lane), state, attempts, last_code, submitted, expires)


def _store(tx: Tx, looked: int, halves: int) -> None:
    rows = [("warned", str(looked)), ("warned/half", str(halves))]
    tx.db.executemany("INSERT OR REPLACE INTO meta VALUES (?,?)", rows)
