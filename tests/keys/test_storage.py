"""Wraps of messages' keys under the storage key."""

from __future__ import annotations

import os

import pytest

from keys import codes
from keys.storage import OVERHEAD, StorageKey
from protocol.errors import LocalError

HASH = bytes(range(32))
SECRET = bytes(96)
KEY = os.urandom(32)


def test_a_wrap_opens_for_its_object_only() -> None:
    storage = StorageKey({1: KEY}, 1)
    wrapped = storage.wrap(HASH, SECRET)
    assert len(wrapped) == len(SECRET) + OVERHEAD
    assert storage.unwrap(HASH, wrapped) == SECRET
    _refused(storage, bytes(32), wrapped)
    _refused(StorageKey({1: os.urandom(32)}, 1), HASH, wrapped)
    with pytest.raises(LocalError) as caught:
        storage.unwrap(HASH, wrapped, "another purpose")
    assert caught.value.code is codes.STORAGE_WRAP


def test_every_altered_byte_and_every_cut_is_refused() -> None:
    storage = StorageKey({1: KEY, 2: bytes(32)}, 1)
    wrapped = storage.wrap(HASH, SECRET)
    for at in range(len(wrapped)):
        altered = bytearray(wrapped)
        altered[at] ^= 3
        _refused(storage, HASH, bytes(altered))
        _refused(storage, HASH, wrapped[:at])
    _refused(storage, HASH, wrapped + b"x")


def test_two_wraps_of_one_secret_differ() -> None:
    storage = StorageKey({1: KEY}, 1)
    assert storage.wrap(HASH, SECRET) != storage.wrap(HASH, SECRET)


def test_after_a_change_of_keys_the_old_wraps_still_open() -> None:
    old = StorageKey({1: KEY}, 1).wrap(HASH, SECRET)
    storage = StorageKey({1: KEY, 2: os.urandom(32)}, 2)
    new = storage.wrap(HASH, SECRET)
    assert (old[0], new[0]) == (1, 2)
    assert storage.unwrap(HASH, old) == storage.unwrap(HASH, new) == SECRET


@pytest.mark.parametrize(("keys", "current"), [({}, 1), ({1: bytes(31)}, 1), ({0: KEY}, 0), ({256: KEY}, 256), ({1: KEY}, 2)])
def test_keys_that_cannot_be_are_a_mistake_of_ours(keys: dict[int, bytes], current: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        StorageKey(keys, current)


def _refused(storage: StorageKey, object_id: bytes, wrapped: bytes) -> None:
    with pytest.raises(LocalError) as caught:
        storage.unwrap(object_id, wrapped)
    assert caught.value.code is codes.STORAGE_WRAP
