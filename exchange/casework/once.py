"""Calls that are made once even when they are made twice: the answer is kept in the transaction of the effect.

A caller that got no answer repeats its call with the same idempotency key and gets the answer of the first one. Keys belong to
their caller and are kept for two days. (draft-ietf-httpapi-idempotency-key-header-07)
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from exchange import codes
from exchange.log import Tx
from exchange.store import Store
from protocol import limits
from protocol.errors import LocalError

KEPT: Final = 2 * limits.DAY

_KEY: Final = re.compile(r"[!-~]{8,200}\Z")


@dataclass(frozen=True, slots=True)
class Once:
    """One call: who makes it, under which key, and the SHA-256 of what is asked."""

    caller: str
    key: str
    request: bytes

    @classmethod
    def of(cls, caller: str, key: str, *asked: bytes) -> Once:
        """From the header and everything that makes up the call. Raises IDEMPOTENCY-FORM."""
        if not _KEY.match(key):
            raise LocalError(codes.IDEMPOTENCY_FORM, f"{len(key)} characters")
        digest = hashlib.sha256()
        for piece in asked:
            digest.update(len(piece).to_bytes(8, "big") + piece)
        return cls(caller, key, digest.digest())

    def recall(self, store: Store) -> tuple[int, dict[str, Any]] | None:
        """Status and answer of the first call; None when this is the first. Raises IDEMPOTENCY-OTHER."""
        query = "SELECT request, status, answer FROM once WHERE caller=? AND key=?"
        row = store.reader().execute(query, (self.caller, self.key)).fetchone()
        if row is None:
            return None
        if row[0] != self.request:
            raise LocalError(codes.IDEMPOTENCY_OTHER)
        return row[1], json.loads(row[2])

    def remember(self, tx: Tx, status: int, answer: Mapping[str, Any]) -> None:
        """Keep what is answered, together with what it tells of."""
        tx.db.execute("DELETE FROM once WHERE time<?", (tx.time - KEPT,))
        tx.db.execute(
            "INSERT INTO once VALUES (?,?,?,?,?,?)", (self.caller, self.key, self.request, status, json.dumps(answer), tx.time)
        )  # fmt: skip
