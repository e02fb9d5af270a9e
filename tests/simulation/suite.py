"""Keyed hashes in the place of suite 1: the same sizes and the same refusals, a hundred times faster, and no security whatever.

A signature is a hash of the public key and the message, so it verifies exactly where the real one would as long as nobody forges;
sealing is a hash stream with a tag. In at least one seed of a hundred the real suite runs instead.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

from protocol import codes
from protocol.checkpoint import LogKeys
from protocol.errors import ProtocolError
from protocol.parts import CHUNK
from protocol.vkey import COSIGNATURE_ED25519, COSIGNATURE_MLDSA44, VKey

_TAG = 16


def _ed25519(public: bytes, message: bytes) -> bytes:
    return hashlib.sha512(public + message).digest()


def _mldsa44(public: bytes, message: bytes) -> bytes:
    return hashlib.sha512(public[:32] + message).digest() * 37 + bytes(52)  # 2,420 bytes


def _stream(key: bytes, data: bytes) -> bytes:
    mask = hashlib.shake_128(key).digest(len(data))
    return (int.from_bytes(data, "big") ^ int.from_bytes(mask, "big")).to_bytes(len(data), "big")


class FastPair:
    """A signing pair of 64 secret bytes, as ``keys.logkeys.SigningPair``."""

    def __init__(self, secret: bytes) -> None:
        self.secret = secret
        self.ed25519 = hashlib.sha256(b"ed25519" + secret).digest()
        self.mldsa44 = hashlib.shake_128(b"mldsa44" + secret).digest(1312)

    def sign_ed25519(self, message: bytes) -> bytes:
        return _ed25519(self.ed25519, message)

    def sign_mldsa44(self, message: bytes) -> bytes:
        return _mldsa44(self.mldsa44, message)

    def log_keys(self, origin: str) -> LogKeys:
        return LogKeys(origin, self.ed25519, self.mldsa44)

    def vkeys(self, name: str) -> tuple[VKey, VKey]:
        return VKey(name, COSIGNATURE_MLDSA44, self.mldsa44), VKey(name, COSIGNATURE_ED25519, self.ed25519)


class FastSuite:
    """``protocol.ports.Verifier`` and ``Sealing``. ``rand``: where its randomness comes from."""

    def __init__(self, rand: Callable[[int], bytes]) -> None:
        self._rand = rand

    def verify_ed25519(self, public_key: bytes, signature: bytes, message: bytes) -> bool:
        return signature == _ed25519(public_key, message)

    def verify_mldsa44(self, public_key: bytes, signature: bytes, message: bytes) -> bool:
        return signature == _mldsa44(public_key, message)

    def seal(self, prekey: bytes, info: bytes, plaintext: bytes) -> bytes:
        enc = self._rand(32)
        return enc + bytes(1088) + _box(prekey, enc, info, plaintext)

    def seal_all(self, prekey: bytes, pairs: Sequence[tuple[bytes, bytes]]) -> list[bytes]:
        return [self.seal(prekey, info, plaintext) for info, plaintext in pairs]

    def encryptor(self, key: bytes, context: bytes) -> _Encryptor:
        return _Encryptor(key, context, self._rand(24))

    def decryptor(self, key: bytes, context: bytes) -> _Decryptor:
        return _Decryptor(key, context)


def _box(prekey: bytes, enc: bytes, info: bytes, plaintext: bytes) -> bytes:
    key = hashlib.sha256(prekey + enc + info).digest()
    return _stream(key, plaintext) + hashlib.sha256(key + plaintext).digest()[:_TAG]


class FastPrekeySecret:
    """The secret half of a prekey, as ``keys.suite.PrekeySecret``."""

    def __init__(self, seed: bytes) -> None:
        self.public = hashlib.shake_128(b"prekey" + seed).digest(1216)

    def open(self, info: bytes, wrap: bytes) -> bytes | None:
        enc, sealed, tag = wrap[:32], wrap[1120:-_TAG], wrap[-_TAG:]
        if len(wrap) < 1136:
            return None
        key = hashlib.sha256(self.public + enc + info).digest()
        plaintext = _stream(key, sealed)
        return plaintext if hashlib.sha256(key + plaintext).digest()[:_TAG] == tag else None


class _Chunks:
    """Chunks of 16 KiB, the last one strictly shorter: the frame of Cobblestone."""

    def __init__(self, key: bytes, context: bytes) -> None:
        self._secret = hashlib.sha256(key + context).digest()
        self._waiting = b""
        self._number = 0

    def _key(self) -> bytes:
        self._number += 1
        return self._secret + self._number.to_bytes(8, "big")


class _Encryptor(_Chunks):
    def __init__(self, key: bytes, context: bytes, salt: bytes) -> None:
        super().__init__(key, context)
        self._head = salt + hashlib.sha256(self._secret + salt).digest()
        self._secret += salt

    def update(self, data: bytes) -> bytes:
        out, self._head = self._head, b""
        self._waiting += data
        while len(self._waiting) >= CHUNK:
            out += self._chunk(self._waiting[:CHUNK])
            self._waiting = self._waiting[CHUNK:]
        return out

    def finalize(self) -> bytes:
        return self._head + self._chunk(self._waiting)

    def _chunk(self, data: bytes) -> bytes:
        key = self._key()
        return _stream(key, data) + hashlib.sha256(key + data).digest()[:_TAG]


class _Decryptor(_Chunks):
    def __init__(self, key: bytes, context: bytes) -> None:
        super().__init__(key, context)
        self._begun = False

    def update(self, data: bytes) -> bytes:
        self._waiting += data
        if not self._begun:
            if len(self._waiting) < 56:
                return b""
            salt, commitment = self._waiting[:24], self._waiting[24:56]
            if hashlib.sha256(self._secret + salt).digest() != commitment:
                raise ProtocolError(codes.PART_CONTENT)
            self._secret += salt
            self._waiting, self._begun = self._waiting[56:], True
        out = b""
        while len(self._waiting) >= CHUNK + _TAG:
            out += self._chunk(self._waiting[: CHUNK + _TAG])
            self._waiting = self._waiting[CHUNK + _TAG :]
        return out

    def finalize(self) -> bytes:
        if not self._begun or len(self._waiting) < _TAG:
            raise ProtocolError(codes.PART_CONTENT)
        return self._chunk(self._waiting)

    def _chunk(self, data: bytes) -> bytes:
        key = self._key()
        plaintext = _stream(key, data[:-_TAG])
        if hashlib.sha256(key + plaintext).digest()[:_TAG] != data[-_TAG:]:
            raise ProtocolError(codes.PART_CONTENT)
        return plaintext
