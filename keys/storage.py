"""The storage key: wraps each message's CEK and r, so that destroying one small wrap erases the message.

    key id (1)  nonce (24)  ciphertext (as long as the secret)  tag (16)

XChaCha20-Poly1305: its nonce is long enough to be drawn at random for ever. What is bound: our label, the purpose, and the
object's id (the envelope hash), so that no wrap opens as another message's. (SPEC.md section 6)
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Final

from nacl.bindings import crypto_aead_xchacha20poly1305_ietf_decrypt as _decrypt
from nacl.bindings import crypto_aead_xchacha20poly1305_ietf_encrypt as _encrypt
from nacl.exceptions import CryptoError

from keys import codes
from protocol.errors import LocalError

OVERHEAD: Final = 41  # bytes

_LABEL: Final = b"rogatory/storage/v1\0"
_NONCE: Final = 24
_KEY: Final = 32


class StorageKey:
    """Wraps under the current key, opens under any that is still here: keys are changed by adding one."""

    __slots__ = ("_current", "_keys", "_rand")

    def __init__(self, keys: Mapping[int, bytes], current: int, rand: Callable[[int], bytes] = os.urandom) -> None:
        """``keys``: id (1 to 255) -> 32 bytes; ``current``: the id of the one that wraps; ``rand(n)`` gives n random bytes."""
        if current not in keys or any(not 0 < number < 256 or len(key) != _KEY for number, key in keys.items()):
            raise ValueError("storage keys have 32 bytes and ids from 1 to 255")
        self._keys = dict(keys)
        self._current = current
        self._rand = rand

    def wrap(self, object_id: bytes, secret: bytes, purpose: str = "message") -> bytes:
        """The secret wrapped for this object (32 bytes, the envelope hash) and purpose: 41 bytes longer. About 5 us."""
        nonce = self._rand(_NONCE)
        sealed = _encrypt(secret, _bound(object_id, purpose), nonce, self._keys[self._current])
        return bytes((self._current,)) + nonce + sealed

    def unwrap(self, object_id: bytes, wrapped: bytes, purpose: str = "message") -> bytes:
        """The secret. Raises STORAGE-WRAP for another object's, purpose's or key's wrap, and for one that was altered."""
        key = self._keys.get(wrapped[0]) if wrapped else None
        if key is None:
            raise LocalError(codes.STORAGE_WRAP, f"storage key {wrapped[0]}" if wrapped else "empty")
        try:
            return _decrypt(wrapped[1 + _NONCE :], _bound(object_id, purpose), wrapped[1 : 1 + _NONCE], key)
        except (CryptoError, TypeError, ValueError):
            raise LocalError(codes.STORAGE_WRAP) from None


def _bound(object_id: bytes, purpose: str) -> bytes:
    return _LABEL + purpose.encode() + b"\0" + object_id
