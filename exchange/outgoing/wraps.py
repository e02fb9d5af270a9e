"""Wraps: a message's CEK || r sealed to a peer's prekey. Made when the envelope is offered, and again when that key has ended."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from exchange import codes
from exchange.bag import Row
from keys.storage import StorageKey
from protocol.envelope import wrap_info
from protocol.errors import LocalError
from protocol.ports import Sealing
from protocol.prekeyset import PeerKey

_KEPT = 4096  # wraps that wait for their answer; of more, the oldest are made again


class Wraps:
    """Wraps are kept from the first offer to the answer: an envelope that is offered again travels with the same one."""

    def __init__(self, storage: StorageKey, sealing: Sealing) -> None:
        self._storage, self._sealing = storage, sealing
        self._kept: dict[int, tuple[bytes, bytes]] = {}

    def wrap(self, row: Row, peer: str, key: PeerKey) -> bytes:
        """The wrap of this delivery to this prekey. Raises MESSAGE-ERASED, STORAGE-WRAP."""
        kept = self._kept.get(row.id)
        if kept is not None and kept[0] == key.id:
            return kept[1]
        made = self._sealing.seal(key.public, wrap_info(row.envelope, peer, key.id), self._secret(row))
        self._keep(row, key, made)
        return made

    def make(self, rows: Iterable[Row], peer: str, key: PeerKey) -> None:
        """The wraps of all these that have none to this prekey yet, together. What ``wrap`` would refuse is left to it."""
        missing, pairs = [], []
        for row in rows:
            if self._kept.get(row.id, (b"",))[0] != key.id:
                with suppress(LocalError):
                    pairs.append((wrap_info(row.envelope, peer, key.id), self._secret(row)))
                    missing.append(row)
        for row, made in zip(missing, self._sealing.seal_all(key.public, pairs), strict=True):
            self._keep(row, key, made)

    def forget(self, ids: Iterable[int]) -> None:
        """These deliveries are settled."""
        for id_ in ids:
            self._kept.pop(id_, None)

    def _keep(self, row: Row, key: PeerKey, made: bytes) -> None:
        self._kept[row.id] = key.id, made
        while len(self._kept) > _KEPT:
            self._kept.pop(next(iter(self._kept)), None)

    def _secret(self, row: Row) -> bytes:
        if row.secret is None:
            raise LocalError(codes.MESSAGE_ERASED)
        return self._storage.unwrap(row.hash, row.secret)
