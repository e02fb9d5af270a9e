"""What could not be read or judged, kept as it came: so that a human can see what a peer sent, and nothing is only a line in a log.

An answer that does not parse or proves nothing is tried again (POI-3); an item that met a fault of ours is set aside (POI-1). Both stay
here: sealed bytes, the newest few of each peer.
"""

from __future__ import annotations

from typing import Final

from exchange.log import Tx
from exchange.store import Store
from protocol import limits
from protocol.errors import Code

ANSWER: Final = "answer"
ITEM: Final = "item"
TOLD: Final = 1 * limits.DAY


def keep_oddity(tx: Tx, peer: str, what: str, code: Code, raw: bytes, envelope_hash: bytes | None = None) -> None:
    """Keep these bytes (their beginning, when they are long); the oldest of this peer goes when there are too many."""
    tx.db.execute(
        "INSERT INTO oddity (peer, what, code, hash, time, raw) VALUES (?,?,?,?,?,?)",
        (peer, what, code.code, envelope_hash, tx.time, raw[: limits.ODDITY]),
    )
    tx.db.execute(
        "DELETE FROM oddity WHERE peer=? AND id NOT IN (SELECT id FROM oddity WHERE peer=? ORDER BY id DESC LIMIT ?)",
        (peer, peer, limits.ODDITIES_PER_PEER),
    )


def recent_oddities(store: Store, now: int) -> list[tuple[str, str, str]]:
    """(what, code, peer) of what was kept within a day, each once."""
    query = "SELECT DISTINCT what, code, peer FROM oddity WHERE time>? ORDER BY what, code, peer"
    return [(str(what), str(code), str(peer)) for what, code, peer in store.reader().execute(query, (now - TOLD,)).fetchall()]
