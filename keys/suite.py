"""Suite 1: Ed25519 and ML-DSA-44 signatures, HPKE with MLKEM768-X25519, HKDF-SHA-512 and AES-256-GCM, Cobblestone-256.

One suite per network, never negotiated and never read from a message. (SPEC.md sections 3, 6)

    prekey public   ML-KEM-768 encapsulation key (1,184) || X25519 public key (32)       1,216 bytes
    prekey secret   a seed of 32 bytes; SHAKE-256 makes of it the ML-KEM seed (64) and the X25519 scalar (32)
    sealed          enc (1,120) || ciphertext || tag (16): 1,136 bytes longer than the plaintext

Key objects are kept by the bytes they were loaded from: loading costs as much as using. Secrets are never kept this way.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from cryptography.cobblestone import Cobblestone256Decryptor, Cobblestone256Encryptor
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from nacl import bindings as sodium
from nacl.exceptions import CryptoError

from keys import codes
from protocol import codes as protocol_codes
from protocol import ports
from protocol.errors import ProtocolError

PREKEY_PUBLIC: Final = 1216
PREKEY_SEED: Final = 32
WRAP_OVERHEAD: Final = 1136
ED25519_PUBLIC: Final = 32
ED25519_SIGNATURE: Final = 64
MLDSA44_PUBLIC: Final = 1312
MLDSA44_SIGNATURE: Final = 2420

_MLKEM_PUBLIC: Final = 1184
_MLKEM_SEED: Final = 64
_HPKE: Final = hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA512, hpke.AEAD.AES_256_GCM)
_ORDER: Final = 2**252 + 27742317777372353535851937790883648493  # of Ed25519's prime-order group
_ORDER_LESS_ONE: Final = (_ORDER - 1).to_bytes(32, "little")
_PROBE: Final = X25519PrivateKey.from_private_bytes(bytes([9]) * 32)  # not a secret: only shows whether a point is of low order


class Suite1:
    """The cryptography of suite 1 as ``protocol.ports`` asks for it: ``Verifier`` and ``Sealing``. Holds no state."""

    __slots__ = ()

    def verify_ed25519(self, public_key: bytes, signature: bytes, message: bytes) -> bool:
        """RFC 8032 Ed25519, S below the group order. False for anything else, keys of wrong length included."""
        try:
            _ed25519(public_key).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True

    def verify_mldsa44(self, public_key: bytes, signature: bytes, message: bytes) -> bool:
        """FIPS 204 ML-DSA-44 with the empty context. False for anything else, keys of wrong length included."""
        try:
            _mldsa44(public_key).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True

    def seal(self, prekey: bytes, info: bytes, plaintext: bytes) -> bytes:
        """HPKE base mode, single shot: 1,136 bytes more than the plaintext. Raises KEY-WEAK for a prekey that fits no one."""
        return _HPKE.encrypt(plaintext, _prekey(prekey), info=info)

    def seal_all(self, prekey: bytes, pairs: Sequence[tuple[bytes, bytes]]) -> list[bytes]:
        """Many wraps to one prekey, of (info, plaintext) each, in order. Raises KEY-WEAK as ``seal``."""
        return [self.seal(prekey, info, plaintext) for info, plaintext in pairs]

    def encryptor(self, key: bytes, context: bytes) -> ports.Stream:
        """Cobblestone-256 under a key of 32 bytes. The salt is drawn inside, from the operating system."""
        return Cobblestone256Encryptor(key, context)

    def decryptor(self, key: bytes, context: bytes) -> ports.Stream:
        """Cobblestone-256 under a key of 32 bytes. ``update`` and ``finalize`` raise PART-CONTENT."""
        return _Decryptor(Cobblestone256Decryptor(key, context))


SUITE: Final = Suite1()


class PrekeySecret:
    """The secret half of a prekey, loaded for use. Dropping the last reference frees it; nothing else keeps it."""

    __slots__ = ("_key", "public")

    def __init__(self, seed: bytes) -> None:
        """``seed``: 32 random bytes."""
        if len(seed) != PREKEY_SEED:
            raise ValueError("a prekey seed has 32 bytes")
        stretched = hashlib.shake_256(seed).digest(_MLKEM_SEED + 32)
        mlkem = MLKEM768PrivateKey.from_seed_bytes(stretched[:_MLKEM_SEED])
        x25519 = X25519PrivateKey.from_private_bytes(stretched[_MLKEM_SEED:])
        self._key = hpke.MLKEM768X25519PrivateKey(mlkem, x25519)
        self.public = mlkem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw()

    def open(self, info: bytes, wrap: bytes) -> bytes | None:
        """The plaintext, or None: every way of not opening looks the same. (Check 11)"""
        try:
            return _HPKE.decrypt(wrap, self._key, info=info)
        except InvalidTag:
            return None


def open_wrap(secret_seed: bytes, info: bytes, wrap: bytes) -> bytes | None:
    """Open one wrap with a prekey's seed of 32 bytes, or None. For many wraps keep a ``PrekeySecret``."""
    return PrekeySecret(secret_seed).open(info, wrap)


def prekey_id(public: bytes) -> bytes:
    """The id of a prekey: SHA-256 over its 1,216 public bytes."""
    return hashlib.sha256(public).digest()


def sound_prekey(public: bytes) -> bool:
    """Whether this is a prekey that may be used: FIPS 203's modulus check, and an X25519 point that is not of low order."""
    try:
        _prekey(public)
    except ProtocolError:
        return False
    return True


def check_prekey(public: bytes) -> None:
    """Refuse a prekey of wrong length, with an unreduced ML-KEM coefficient or a low-order X25519 point: KEY-WEAK."""
    _prekey(public)


def check_ed25519(public: bytes) -> None:
    """Refuse, at enrolment, an Ed25519 key that is non-canonical, off the curve, or of low or mixed order: KEY-WEAK.

    Two checks of the prime-order group, because libsodium's own once let some points of mixed order through
    (CVE-2025-69277): its ``is_valid_point``, and that (order - 1) times the point is the point negated.
    """
    if len(public) != ED25519_PUBLIC or not sodium.crypto_core_ed25519_is_valid_point(public) or not _of_prime_order(public):
        raise ProtocolError(codes.KEY_WEAK, "Ed25519")


def check_mldsa44(public: bytes) -> None:
    """Refuse, at enrolment, an ML-DSA-44 key that does not parse, or whose t1 is all zero (it binds no secret): KEY-WEAK."""
    try:
        _mldsa44(public)
    except ValueError:
        raise ProtocolError(codes.KEY_WEAK, "ML-DSA-44") from None
    if not any(public[32:]):
        raise ProtocolError(codes.KEY_WEAK, "ML-DSA-44")


class _Decryptor:
    """Cobblestone-256 whose failure has our code. One failure ends it."""

    __slots__ = ("_stream",)

    def __init__(self, stream: Cobblestone256Decryptor) -> None:
        self._stream = stream

    def update(self, data: bytes) -> bytes:
        try:
            return self._stream.update(data)
        except InvalidTag:
            raise ProtocolError(protocol_codes.PART_CONTENT) from None

    def finalize(self) -> bytes:
        try:
            return self._stream.finalize()
        except InvalidTag:
            raise ProtocolError(protocol_codes.PART_CONTENT) from None


def _of_prime_order(point: bytes) -> bool:
    try:
        product = sodium.crypto_scalarmult_ed25519_noclamp(_ORDER_LESS_ONE, point)
    except (CryptoError, RuntimeError):
        return False
    return product == point[:31] + bytes([point[31] ^ 0x80])


@lru_cache(maxsize=4096)
def _ed25519(public: bytes) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(public)


@lru_cache(maxsize=1024)
def _mldsa44(public: bytes) -> MLDSA44PublicKey:
    return MLDSA44PublicKey.from_public_bytes(public)


@lru_cache(maxsize=1024)
def _prekey(public: bytes) -> hpke.MLKEM768X25519PublicKey:
    if len(public) != PREKEY_PUBLIC:
        raise ProtocolError(codes.KEY_WEAK, f"prekey of {len(public)} bytes")
    try:
        mlkem = MLKEM768PublicKey.from_public_bytes(public[:_MLKEM_PUBLIC])
        x25519 = X25519PublicKey.from_public_bytes(public[_MLKEM_PUBLIC:])
        _PROBE.exchange(x25519)
    except ValueError:
        raise ProtocolError(codes.KEY_WEAK, "prekey") from None
    return hpke.MLKEM768X25519PublicKey(mlkem, x25519)
