"""Which prekeys of a peer are taken: only what its log proves, nothing older than what was seen, only sound keys."""

from __future__ import annotations

import os
from dataclasses import replace
from hashlib import sha256

import pytest

from keys.logkeys import LogKeyPair
from keys.suite import SUITE, PrekeySecret, prekey_id, sound_prekey
from protocol import codes, merkle
from protocol.checkpoint import Checkpoint, Head, sign_head, verify_head
from protocol.entries import Filler, Prekeys, PublishedKey
from protocol.errors import Code, ProtocolError
from protocol.limits import DAY, HOUR
from protocol.pouch import PrekeyOffer, Proven
from protocol.prekeyset import SeenSet, accept_set, freshest
from tests.keys.vectors import cctv_mlkem768_keys

NOON = 1_795_521_600_000
MIDNIGHT = NOON - 12 * HOUR
ORIGIN = "example.org/xb-ca/log/1"
PAIR = LogKeyPair.generate()
KEYS = tuple(PrekeySecret(os.urandom(32)).public for _ in range(3))


def published(first_day: int = MIDNIGHT, sequence: int = 7, keys: tuple[bytes, ...] = KEYS) -> Prekeys:
    days = [first_day + i * DAY for i in range(len(keys))]
    listed = tuple(PublishedKey(prekey_id(key), day, day + DAY) for key, day in zip(keys, days, strict=True))
    return Prekeys(NOON, bytes(16), sequence, listed)


def offer(entry: bytes, keys: tuple[bytes, ...] = KEYS, index: int = 2) -> tuple[PrekeyOffer, Head]:
    """A log of four entries with this one at ``index`` 2 or 3, its verified head, and the offer with its path."""
    leaves = [merkle.leaf_hash(Filler(NOON, bytes([i]) * 16).encode()) for i in range(4)]
    leaves[index] = merkle.leaf_hash(entry)
    low, high = merkle.node_hash(*leaves[:2]), merkle.node_hash(*leaves[2:])
    log_keys = PAIR.log_keys(ORIGIN)
    note = sign_head(Checkpoint(ORIGIN, 4, merkle.node_hash(low, high)), NOON // 1000, PAIR, log_keys)
    path = (leaves[5 - index], low)
    return PrekeyOffer(Proven(entry, index, path), keys), verify_head(note, log_keys, SUITE).value


def take(made: tuple[PrekeyOffer, Head], seen: SeenSet | None = None, n: int = 1, now: int = NOON) -> SeenSet:
    return accept_set(seen, n, made[0], made[1], now, sound_prekey)


def refused(code: Code, made: tuple[PrekeyOffer, Head], seen: SeenSet | None = None, n: int = 1, now: int = NOON) -> None:
    with pytest.raises(ProtocolError) as caught:
        take(made, seen, n, now)
    assert caught.value.code is code


def test_a_proven_set_is_taken_and_the_key_of_the_day_used() -> None:
    taken = take(offer(published().encode()))
    assert (taken.n, taken.index, taken.sequence) == (1, 2, 7)
    for day, key in enumerate(KEYS):
        for now in (MIDNIGHT + day * DAY, MIDNIGHT + (day + 1) * DAY - 1):
            used = freshest(taken, now)
            assert used is not None
            assert used.public == key
    assert SUITE.seal(taken.keys[0].public, b"info", b"x")


def test_of_two_keys_in_force_the_one_that_began_last_is_used() -> None:
    listed = tuple(PublishedKey(prekey_id(key), MIDNIGHT + i * HOUR, MIDNIGHT + DAY) for i, key in enumerate(KEYS))
    used = freshest(take(offer(Prekeys(NOON, bytes(16), 1, listed).encode())), NOON)
    assert used is not None
    assert used.public == KEYS[2]


def test_ENC_11_unlogged_set_is_refused() -> None:
    made, head = offer(published().encode())
    other = published(sequence=8).encode()
    refused(codes.PREKEY_PROOF, (replace(made, proven=replace(made.proven, entry=other)), head))
    refused(codes.PREKEY_PROOF, (replace(made, proven=replace(made.proven, index=3)), head))
    refused(codes.PREKEY_PROOF, (replace(made, proven=replace(made.proven, index=4)), head))
    refused(codes.PREKEY_PROOF, (replace(made, proven=replace(made.proven, path=())), head))
    refused(codes.PREKEY_PROOF, offer(Filler(NOON, bytes(16)).encode()))
    refused(codes.PREKEY_PROOF, offer(b"no entry"))


def test_ENC_11_keys_beside_another_entry_are_refused() -> None:
    entry = published().encode()
    refused(codes.PREKEY_PROOF, offer(entry, KEYS[:2]))
    refused(codes.PREKEY_PROOF, offer(entry, (*KEYS, KEYS[0])))
    refused(codes.PREKEY_PROOF, offer(entry, (KEYS[1], KEYS[0], KEYS[2])))
    refused(codes.PREKEY_PROOF, offer(entry, (*KEYS[:2], KEYS[2][:-1] + bytes([KEYS[2][-1] ^ 1]))))


def test_ENC_11_future_set_is_not_used() -> None:
    taken = take(offer(published(MIDNIGHT + DAY).encode()))
    assert freshest(taken, NOON) is None
    assert freshest(taken, MIDNIGHT + DAY) is not None
    assert freshest(None, NOON) is None


def test_ended_set_is_refused_and_ended_keys_are_not_used() -> None:
    entry = published().encode()
    taken = take(offer(entry), now=MIDNIGHT + 3 * DAY - 1)
    assert freshest(taken, MIDNIGHT + 3 * DAY) is None
    refused(codes.PREKEY_ENDED, offer(entry), now=MIDNIGHT + 3 * DAY)


def test_ENC_12_lower_place_or_sequence_than_seen_is_refused() -> None:
    seen = take(offer(published().encode()))
    same = offer(published().encode())
    assert take(same, seen) == seen
    assert take(offer(published(sequence=8).encode(), index=3), seen).sequence == 8
    refused(codes.PREKEY_ROLLBACK, offer(published(sequence=6).encode(), index=3), seen)
    refused(codes.PREKEY_ROLLBACK, same, seen._replace(index=3))
    refused(codes.PREKEY_ROLLBACK, same, seen._replace(n=2))
    refused(codes.PREKEY_ROLLBACK, same, seen._replace(n=2, index=0, sequence=0))
    assert take(same, seen._replace(index=900), n=2).n == 2


def test_ENC_4_weak_keys_in_a_proven_set_are_refused() -> None:
    low_order = KEYS[1][:1184] + bytes(32)
    short = KEYS[1][:-1]
    for weak in (low_order, short):
        keys = (KEYS[0], weak, KEYS[2])
        refused(codes.PREKEY_WEAK, offer(published(keys=keys).encode(), keys))


def test_ENC_4_unreduced_keys_in_a_proven_set_are_refused() -> None:
    for bad in cctv_mlkem768_keys()[::26]:
        keys = (KEYS[0], bad + KEYS[0][1184:])
        assert sha256(keys[1]).digest() == published(keys=keys).keys[1].id
        refused(codes.PREKEY_WEAK, offer(published(keys=keys).encode(), keys))
