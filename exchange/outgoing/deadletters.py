"""What does not arrive: envelopes that expired without a receipt, and what an operator holds, tries again or gives up."""

from __future__ import annotations

from collections.abc import Callable

from exchange import codes
from exchange.log import Tx
from exchange.notice import Notice, Told, nobody
from exchange.ports import Clock
from exchange.writer import Writer
from protocol import delivery, limits
from protocol.delivery import Event, State
from protocol.entries import Lane, Undelivered
from protocol.errors import LocalError

_UPLOAD_GRACE = 3 * limits.DAY  # past the deadline: its window was judged when the body passed


class DeadLetters:
    """Ends deliveries without the peer. ``on_settled`` is told of each that has expired."""

    def __init__(self, writer: Writer, clock: Clock) -> None:
        self._writer, self._clock = writer, clock
        self.on_settled: Told = nobody

    def expire(self) -> int:
        """Log ``undelivered`` for every open delivery whose envelope has expired; how many."""
        settled = self._writer.run(self._expire)
        if settled:
            self.on_settled(settled)
        return len(settled)

    def _expire(self, tx: Tx) -> list[Notice]:
        query = (
            "SELECT d.id, d.hash, o.message_id, d.recipient, d.attempts, d.last_code, o.lane, o.time FROM delivery d"
            " JOIN outgoing o ON o.id=d.message WHERE d.receipt IS NULL AND d.state IN ('queued','wanted','held') AND d.expires<=?"
            " AND (d.state!='wanted' OR d.expires<=?) LIMIT 256"
        )
        settled = []
        expired = tx.db.execute(query, (tx.time, tx.time - _UPLOAD_GRACE)).fetchall()
        for id_, hash_, message_id, recipient, attempts, last_code, lane, time in expired:
            tx.db.execute("UPDATE delivery SET state=? WHERE id=?", (State.UNDELIVERED, id_))
            tx.append(Undelivered, hash_, message_id, recipient, "expired", attempts, last_code)
            settled.append(Notice(hash_, message_id, recipient, Lane(lane), State.UNDELIVERED, time))
        return settled

    def settle(
        self, envelope_hash: bytes, recipient: str, event: Event, also: Callable[[Tx], object] = lambda tx: None
    ) -> State:
        """An operator's hold, retry or reject; ``also`` runs in its transaction. Raises MESSAGE-UNKNOWN, DELIVERY-STATE."""

        def change(tx: Tx) -> State:
            state = self._settle(tx, envelope_hash, recipient, event)
            also(tx)
            return state

        return self._writer.run(change)

    def _settle(self, tx: Tx, envelope_hash: bytes, recipient: str, event: Event) -> State:
        query = (
            "SELECT d.id, d.state, d.attempts, d.last_code, o.message_id FROM outgoing o JOIN delivery d ON d.message=o.id"
            " WHERE o.hash=? AND d.recipient=?"
        )
        row = tx.db.execute(query, (envelope_hash, recipient)).fetchone()
        if row is None:
            raise LocalError(codes.MESSAGE_UNKNOWN)
        state = delivery.after(State(row[1]), event)
        if state is None:
            raise LocalError(codes.DELIVERY_STATE, f"{row[1]} and {event}")
        tx.db.execute("UPDATE delivery SET state=?, due=? WHERE id=?", (state, self._clock.now(), row[0]))
        if event is Event.RETRY:
            tx.db.execute("DELETE FROM bad_answer WHERE delivery=?", (row[0],))
        if event is Event.REJECT:
            tx.append(Undelivered, envelope_hash, row[4], recipient, "rejected by an operator", row[2], row[3])
        return state
