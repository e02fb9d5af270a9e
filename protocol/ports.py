"""The small interfaces through which cryptography reaches the pure core. ``keys`` implements them; tests may too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Verifier(Protocol):
    """Checks signatures of suite 1. Each answers True or False and never raises, whatever the bytes."""

    def verify_ed25519(self, public_key: bytes, signature: bytes, message: bytes) -> bool:
        """RFC 8032 Ed25519: key 32 bytes, signature 64."""
        ...

    def verify_mldsa44(self, public_key: bytes, signature: bytes, message: bytes) -> bool:
        """FIPS 204 ML-DSA-44, empty context: key 1,312 bytes, signature 2,420."""
        ...


class LogSigner(Protocol):
    """The pair of log keys. Signing may take up to 50 ms (a hardware token)."""

    def sign_ed25519(self, message: bytes) -> bytes:
        """64 bytes."""
        ...

    def sign_mldsa44(self, message: bytes) -> bytes:
        """2,420 bytes, empty context."""
        ...


class Stream(Protocol):
    """One pass of Cobblestone-256 over a part. A decryptor's output counts only after ``finalize`` returned."""

    def update(self, data: bytes) -> bytes:
        """Output for these bytes, as far as chunks are complete."""
        ...

    def finalize(self) -> bytes:
        """The rest. Decrypting raises PART-CONTENT when the stream was altered or cut short."""
        ...


class Sealing(Protocol):
    """HPKE base mode and Cobblestone-256 of suite 1."""

    def seal(self, prekey: bytes, info: bytes, plaintext: bytes) -> bytes:
        """HPKE single shot to a public prekey of 1,216 bytes: enc (1,120) || ciphertext and tag."""
        ...

    def seal_all(self, prekey: bytes, pairs: Sequence[tuple[bytes, bytes]]) -> list[bytes]:
        """Many wraps to one prekey, of (info, plaintext) each, in order."""
        ...

    def encryptor(self, key: bytes, context: bytes) -> Stream:
        """Key 32 bytes; the salt is drawn inside, from the operating system."""
        ...

    def decryptor(self, key: bytes, context: bytes) -> Stream:
        """Key 32 bytes."""
        ...


class Prekeys(Protocol):
    """Our own prekey secrets, by id."""

    def open(self, prekey_id: bytes, info: bytes, wrap: bytes) -> bytes | None:
        """The plaintext, or None when the wrap does not open. Raises PREKEY-UNKNOWN (passing) when there is no such secret (any more)."""
        ...
