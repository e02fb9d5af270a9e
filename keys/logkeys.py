"""Signing pairs in software: Ed25519 and ML-DSA-44 side by side, one pair per log and another for witnessing.

A pair is its secret of 64 bytes: the Ed25519 seed (32), then the ML-DSA-44 seed (32). Both halves are always used together,
so that a head holds as long as one of the two kinds of signature does. (SPEC.md section 6)
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from protocol.checkpoint import LogKeys
from protocol.vkey import COSIGNATURE_ED25519, COSIGNATURE_MLDSA44, VKey

SECRET: Final = 64  # bytes


class SigningPair:
    """Two keys of one holder. ``ed25519`` (32 bytes) and ``mldsa44`` (1,312) are the public halves; ``secret`` is to be kept."""

    __slots__ = ("_classical", "_lattice", "ed25519", "mldsa44", "secret")

    def __init__(self, secret: bytes) -> None:
        """``secret``: 64 bytes as the keystore keeps them."""
        if len(secret) != SECRET:
            raise ValueError("the secret of a signing pair has 64 bytes")
        self.secret = secret
        self._classical = Ed25519PrivateKey.from_private_bytes(secret[:32])
        self._lattice = MLDSA44PrivateKey.from_seed_bytes(secret[32:])
        self.ed25519 = self._classical.public_key().public_bytes_raw()
        self.mldsa44 = self._lattice.public_key().public_bytes_raw()

    @classmethod
    def generate(cls, rand: Callable[[int], bytes] = os.urandom) -> Self:
        """A new pair; ``rand(n)`` gives n random bytes."""
        return cls(rand(SECRET))

    def sign_ed25519(self, message: bytes) -> bytes:
        """64 bytes. About 40 us."""
        return self._classical.sign(message)

    def sign_mldsa44(self, message: bytes) -> bytes:
        """2,420 bytes, empty context, hedged: two signatures of one message differ. About 400 us."""
        return self._lattice.sign(message)


class LogKeyPair(SigningPair):
    """The keys of one log, ``ports.LogSigner``. They end with their log."""

    __slots__ = ()

    def log_keys(self, origin: str) -> LogKeys:
        """The public halves as the directory lists them for this log."""
        return LogKeys(origin, self.ed25519, self.mldsa44)


class WitnessKeyPair(SigningPair):
    """The keys of a witness: ML-DSA-44 for 0x06 lines, Ed25519 for 0x04. Never those of a log: the lines could be mistaken."""

    __slots__ = ()

    def vkeys(self, name: str) -> tuple[VKey, VKey]:
        """The verifier keys of its lines under this name: 0x06, then 0x04. Raises NOTE-VKEY."""
        return VKey(name, COSIGNATURE_MLDSA44, self.mldsa44), VKey(name, COSIGNATURE_ED25519, self.ed25519)
