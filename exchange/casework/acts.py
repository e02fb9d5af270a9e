"""Acts: what a person, system or policy of this authority did, as an entry of the log that names nobody and nothing.

    entry    {actor: pseudonym of this year, action: "message.approved", commitment: SHA-256(label || salt || object)}
    beside   salt (32) || object, canonical JSON: {"envelope": "6f0c...", "draft": "..."}      wrapped under the storage key

An auditor of this side is shown salt and object and compares; others learn nothing, and nobody does once the salt is destroyed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Final

from exchange.log import Tx
from exchange.ports import Random
from exchange.store import Store
from keys.storage import StorageKey
from protocol.entries import Act

SALT: Final = 32

_LABEL: Final = b"rogatory/act/v1\0"
_PURPOSE: Final = "act"


def commitment(salt: bytes, found: bytes) -> bytes:
    """The commitment to an object with this salt."""
    return hashlib.sha256(_LABEL + salt + found).digest()


class Acts:
    """Appends acts. ``pseudonym(person, time)`` says what stands for a person in the log."""

    def __init__(self, store: Store, storage: StorageKey, random: Random, pseudonym: Callable[[bytes, int], bytes]) -> None:
        self._store, self._storage, self._random, self._pseudonym = store, storage, random, pseudonym

    def append(self, tx: Tx, actor: bytes, action: str, about: Mapping[str, str]) -> int:
        """Log that ``actor`` (person id) did ``action`` (at most 64 characters) to ``about``; the entry's index."""
        found = json.dumps(about, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
        salt = self._random(SALT)
        bound = commitment(salt, found)
        index = tx.append(Act, self._pseudonym(actor, tx.time), action, bound)
        tx.db.execute(
            "INSERT INTO act VALUES (?,?,?,?)", (tx.n, index, bound, self._storage.wrap(bound, salt + found, _PURPOSE))
        )  # fmt: skip
        return index

    def opening(self, n: int, index: int) -> tuple[bytes, dict[str, str]] | None:
        """Salt and object of the act at this index of log ``n``; None when they were destroyed."""
        row = self._store.reader().execute("SELECT commitment, opening FROM act WHERE n=? AND idx=?", (n, index)).fetchone()
        if row is None:
            return None
        opened = self._storage.unwrap(row[0], row[1], _PURPOSE)
        return opened[:SALT], dict(json.loads(opened[SALT:]))
