"""Which encryption keys of a peer may be used: only sets that its log proves, never older than one seen before.

A set is taken when (1) its entry is proven under a head of the peer's log, (2) its place (n, index) and sequence are not below the
highest seen, (3) for each key from <= now < until, (4) SHA-256 and the ML-KEM check fit. (SPEC.md section 6.2; that the head is *witnessed*
before the set is used is the business of ``exchange.prekeyshelf``, since that may come later than the set.)
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import NamedTuple

from protocol import codes, merkle
from protocol.checkpoint import Head
from protocol.entries import Prekeys, parse_entry
from protocol.errors import ProtocolError
from protocol.pouch import PrekeyOffer


class PeerKey(NamedTuple):
    """A peer's prekey: id (SHA-256 of the public key), from and until (ms), the public key (1,216 bytes)."""

    id: bytes
    from_: int
    until: int
    public: bytes


class SeenSet(NamedTuple):
    """The newest set taken from a peer: log number, index of its entry, sequence, and its keys."""

    n: int
    index: int  # type: ignore[assignment]  # hides tuple.index
    sequence: int
    keys: tuple[PeerKey, ...]


def accept_set(
    seen: SeenSet | None, n: int, offer: PrekeyOffer, head: Head, now: int, sound: Callable[[bytes], bool]
) -> SeenSet:
    """The set in an offer under ``head`` of log ``n``, at ``now`` (ms). ``sound``: the key check of suite 1.

    Keys not yet begun stay in the set; one that has ended refuses nothing but cannot be used. Raises PREKEY-PROOF, PREKEY-ROLLBACK,
    PREKEY-ENDED, PREKEY-WEAK.
    """
    proven = offer.proven
    try:
        merkle.check_inclusion(merkle.leaf_hash(proven.entry), proven.index, head.size, list(proven.path), head.root)
        entry = parse_entry(proven.entry)
    except ProtocolError as error:
        raise ProtocolError(codes.PREKEY_PROOF, error.detail) from None
    if not isinstance(entry, Prekeys) or len(entry.keys) != len(offer.keys):
        raise ProtocolError(codes.PREKEY_PROOF, "the entry names other keys")
    if seen is not None and ((n, proven.index) < (seen.n, seen.index) or (n == seen.n and entry.sequence < seen.sequence)):
        raise ProtocolError(codes.PREKEY_ROLLBACK, f"sequence {entry.sequence} after {seen.sequence}")
    keys = []
    for listed, public in zip(entry.keys, offer.keys, strict=True):
        if hashlib.sha256(public).digest() != listed.id:
            raise ProtocolError(codes.PREKEY_PROOF, "a key that the entry does not name")
        if not sound(public):
            raise ProtocolError(codes.PREKEY_WEAK)
        keys.append(PeerKey(listed.id, listed.from_, listed.until, public))
    if all(now >= key.until for key in keys):
        raise ProtocolError(codes.PREKEY_ENDED, f"sequence {entry.sequence}")
    return SeenSet(n, proven.index, entry.sequence, tuple(keys))


def freshest(seen: SeenSet | None, now: int) -> PeerKey | None:
    """The key to wrap to at ``now`` (ms): of those that have begun and not ended, the one that began last; None without one."""
    usable = [key for key in seen.keys if key.from_ <= now < key.until] if seen else []
    return max(usable, key=lambda key: key.from_, default=None)
