"""From one log of this authority to its next: the last entry of the one, and what has to be said again in the other.

    close     the node stands still: ``closed`` is the last entry of log n, its closing head is signed and kept
    enlist    the directory lists log n as closed at that head, and log n+1 in force
    open      ``opened`` of log n+1 names that head; what was submitted in log n and has no receipt yet is submitted again

The envelope of such a message stays the same, and so do its hash, its id, and the answer of whoever has it already.
(SPEC.md section 5.3; docs/decisions/0006)
"""

from __future__ import annotations

from exchange import codes
from exchange.log import Log, Tx
from exchange.peering.peers import Peers
from exchange.writer import Writer
from protocol.entries import Closed, Lane, Submitted, TreeHead
from protocol.errors import LocalError


def close_log(log: Log, writer: Writer, peers: Peers, next_n: int, reason: str) -> TreeHead:
    """Say ``closed`` in this log, unless it was said before; its closing head. Then the log takes nothing more.

    Raises LOG-CLOSED when it is closed and names another log, LOG-RANGE when it has no entry yet; GUARD-*, STORE-*.
    """
    if log.closed is None:
        if not log.size:
            raise LocalError(codes.LOG_RANGE, f"{log.origin} has no entry that it could end with")
        writer.run(lambda tx: tx.append(Closed, next_n, reason))
    if log.closed is None or log.closed.next_n != next_n:
        raise LocalError(codes.LOG_CLOSED, f"{log.origin} does not name log {next_n} as the next")
    keep_closing(log, writer, peers)
    return log.closed.head


def keep_closing(log: Log, writer: Writer, peers: Peers) -> None:
    """Keep the signed closing head: receipts of this log are proven under it for ever, when nobody can sign it any more."""
    head = log.sign()
    writer.run(lambda tx: peers.keep_note(tx, head))


def submit_again(tx: Tx) -> int:
    """Submit in this log every envelope that was submitted in an earlier one and still waits for a receipt; how many."""
    query = (
        "SELECT hash, message_id, lane, expires, (SELECT count(*) FROM delivery WHERE message=outgoing.id) FROM outgoing"
        " WHERE n<? AND id IN (SELECT message FROM delivery WHERE state IN ('queued','wanted','held')) ORDER BY n, idx"
    )
    waiting = tx.db.execute(query, (tx.n,)).fetchall()
    for envelope_hash, message_id, lane, expires, recipients in waiting:
        index = tx.append(Submitted, envelope_hash, message_id, Lane(lane), expires, recipients)
        tx.db.execute("UPDATE outgoing SET n=?, idx=? WHERE hash=?", (tx.n, index, envelope_hash))
    return len(waiting)
