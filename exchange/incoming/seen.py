"""What of a pouch is known here already: looked up once for all of its envelopes. (Check 8)"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

from protocol.envelope import Envelope


class Standing(NamedTuple):
    """The row of an envelope that came before: its state, and where its entry stands (None while it is pending)."""

    state: str
    n: int
    index: int | None  # type: ignore[assignment]  # hides tuple.index


class Seen:
    """As of one statement on ``db``; what is taken from then on is ``add``ed."""

    def __init__(self, db: sqlite3.Connection, peer: str, envelopes: Sequence[Envelope]) -> None:
        self._rows: dict[bytes, Standing] = {}
        self._ids: set[bytes] = set()
        if not envelopes:
            return
        marks = ",".join("?" * len(envelopes))
        query = f"SELECT hash, state, n, idx FROM incoming WHERE hash IN ({marks})"  # noqa: S608 - question marks
        for hash_, state, n, index in db.execute(query, [e.hash for e in envelopes]):
            self._rows[hash_] = Standing(state, n, index)
        query = f"SELECT message_id FROM incoming WHERE sender=? AND message_id IN ({marks}) AND state!='refused'"  # noqa: S608
        self._ids.update(row[0] for row in db.execute(query, [peer, *(e.message_id for e in envelopes)]))

    def standing(self, envelope: Envelope) -> Standing | None:
        """The row of this very envelope."""
        return self._rows.get(envelope.hash)

    def has_id(self, envelope: Envelope) -> bool:
        """Whether an envelope under this message id was taken from this sender."""
        return envelope.message_id in self._ids

    def add(self, envelope: Envelope, standing: Standing) -> None:
        """This one is taken, or refused, now."""
        self._rows[envelope.hash] = standing
        if standing.state != "refused":
            self._ids.add(envelope.message_id)
