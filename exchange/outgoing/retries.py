"""When a delivery that has no final answer yet is tried again. (SPEC.md section 4.3)"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from exchange.bag import Bag, Row
from exchange.log import Tx
from exchange.outgoing.due import Due
from exchange.ports import Clock, Random
from exchange.writer import Writer
from protocol import codes, delivery, limits
from protocol.delivery import Event
from protocol.entries import Lane

MOST: Final = {Lane.URGENT: 30 * limits.SECOND, Lane.ROUTINE: 5 * limits.MINUTE}  # between two attempts, however many failed
_FIRST = 1 * limits.SECOND
_LATER_MOST = 1 * limits.HOUR  # whatever a peer asks for
_CLOCKS = frozenset({codes.TIME_FUTURE.code, codes.TIME_CLOCK.code})  # it may be the peer's clock that is wrong: soon to be set right


class Retries:
    """Moves the time of the next attempt; the state of a delivery is not its business."""

    def __init__(self, writer: Writer, due: Due, clock: Clock, random: Random) -> None:
        self._writer, self._due, self._clock, self._random = writer, due, clock, random

    def postpone(self, tx: Tx, row: Row, code: str) -> None:
        """One more attempt that failed for this reason: the next one later, with full jitter."""
        self._move(tx, row, code, self._clock.now() + self._backoff(row))

    def later(self, tx: Tx, row: Row, code: str, seconds: int) -> None:
        """The peer asks for so many seconds: at least one after the first attempt, at most an hour, about clocks at most five minutes."""
        now, most = self._clock.now(), MOST[Lane.ROUTINE] if code in _CLOCKS else _LATER_MOST
        self._move(tx, row, code, now + max(min(seconds * limits.SECOND, most), _FIRST * min(row.attempts, 1)))

    def bad(self, tx: Tx, row: Row, code: str) -> bool:
        """The peer calls this item bad: try again later, and hold it at a passed number; whether it is held now. (POI-4)"""
        self.postpone(tx, row, code)
        query = "INSERT INTO bad_answer VALUES (?,1) ON CONFLICT (delivery) DO UPDATE SET count=count+1 RETURNING count"
        if tx.db.execute(query, (row.id,)).fetchone()[0] < limits.BAD_ANSWERS:
            return False
        state = delivery.TABLE[row.state, Event.HOLD]
        tx.db.execute("UPDATE delivery SET state=? WHERE id=?", (state, row.id))
        return True

    def failed(self, bag: Bag, code: str) -> None:
        """The pouch could not be carried, or its answer was worthless: try again later, each with full jitter."""
        self._put_off(bag.rows, code)

    def unreached(self, peer: str, lane: Lane, code: str) -> None:
        """Not even a pouch could be made: that was an attempt for whatever is due."""
        self._put_off(self._due.rows(peer, lane)[0], code)

    def hasten(self, peer: str) -> None:
        """The peer has shown that it is there: what waits for it is due now."""
        query = "UPDATE delivery SET due=? WHERE recipient=? AND lane IN (0,1) AND state IN ('queued','wanted') AND due>?"
        self._writer.run(lambda tx: tx.db.execute(query, (self._clock.now(), peer, self._clock.now())))

    def uploaded(self, envelope_hash: bytes, peer: str) -> None:
        """All wanted parts were taken: ask for the receipt at once."""
        query = "UPDATE delivery SET due=? WHERE message=(SELECT id FROM outgoing WHERE hash=?) AND recipient=? AND state='wanted'"
        self._writer.run(lambda tx: tx.db.execute(query, (self._clock.now(), envelope_hash, peer)))

    def _put_off(self, rows: Iterable[Row], code: str) -> None:
        def postpone(tx: Tx) -> None:
            for row in rows:
                self.postpone(tx, row, code)

        self._writer.run(postpone)

    def _move(self, tx: Tx, row: Row, code: str, due: int) -> None:
        tx.db.execute("UPDATE delivery SET attempts=attempts+1, last_code=?, due=? WHERE id=?", (code, due, row.id))

    def _backoff(self, row: Row) -> int:
        """Full jitter (ms): anywhere up to twice the last bound, from 1 s to what its lane waits at most."""
        bound = min(_FIRST << min(row.attempts, 16), MOST[row.lane])
        return int.from_bytes(self._random(4), "big") % bound
