"""Parts: padding, encryption and commitments of body and evidence, one pass, constant memory.

    ciphertext_i = Cobblestone-256(CEK, context_i)(pad(plaintext_i))
    pad(p)       = u64be(length of p) || p || zeros up to the Padme size
    commitment_i = SHA-256(["rogatory/commit/v1", network id, message id, i, media type, r_i] || plaintext_i)
    r_i          = HKDF-Expand(SHA-512, r, ["rogatory/r/v1", network id, message id, i], 32)

A court verifies one part with its plaintext, media type and r_i; r itself would open the other parts' commitments to
guessing and never leaves the node. (SPEC.md section 3.6)
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import dataclass

from protocol import cbor, codes
from protocol.errors import ProtocolError
from protocol.ports import Sealing, Stream

BODY_MEDIA_TYPE = "application/vnd.rogatory.body+cbor"
CHUNK = 16384
_TAG = 16
_COBBLESTONE_HEAD = 56  # salt (24) and commitment (32)
_LENGTH = 8
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class PartHead:
    """What the envelope says of a part: ciphertext length and SHA-256, commitment to the plaintext."""

    length: int
    digest: bytes
    commitment: bytes


@dataclass(frozen=True, slots=True)
class PartName:
    """Which part of which message of which network: everything a part is bound to."""

    network_id: bytes
    message_id: bytes
    index: int

    def context(self) -> bytes:
        """Cobblestone's context."""
        return cbor.encode(["rogatory/part/v1", self.network_id, self.message_id, self.index])

    def opening(self, r: bytes) -> bytes:
        """r_i, 32 bytes: the first block of HKDF-Expand (RFC 5869 section 2.3)."""
        info = cbor.encode(["rogatory/r/v1", self.network_id, self.message_id, self.index])
        return hmac.digest(r, info + b"\x01", "sha512")[:32]

    def commitment(self, media_type: str, opening: bytes) -> hashlib._Hash:
        """A SHA-256 that takes the plaintext next; its digest is the commitment."""
        return hashlib.sha256(
            cbor.encode(["rogatory/commit/v1", self.network_id, self.message_id, self.index, media_type, opening])
        )


def padme(length: int) -> int:
    """The Padme size of ``length``: at most 12 % more, leaking O(log log length) bits (PURBs, section 4)."""
    if length < 2:
        return length
    exponent = length.bit_length() - 1
    mask = (1 << exponent - exponent.bit_length()) - 1
    return (length + mask) & ~mask


def sealed_length(plaintext: int) -> int:
    """Ciphertext bytes of a part with so many plaintext bytes."""
    padded = padme(_LENGTH + plaintext)
    return _COBBLESTONE_HEAD + padded + _TAG * (padded // CHUNK + 1)


def is_sealed_length(length: int) -> bool:
    """Whether a ciphertext of this length is that of some padded plaintext."""
    rest = length - _COBBLESTONE_HEAD
    chunks = rest // (CHUNK + _TAG) + 1
    padded = rest - _TAG * chunks
    return padded >= _LENGTH and padded // CHUNK + 1 == chunks and padme(padded) == padded


class SealingPart:
    """Pads, encrypts, hashes and commits to one part while it flows; ``length`` of the plaintext is told at the start.

    The same bytes, in the same order, go through ``commit`` and through ``encrypt``: by two threads, or by one with ``update``.
    """

    def __init__(self, sealing: Sealing, name: PartName, cek: bytes, r: bytes, media_type: str, length: int) -> None:
        self._left = length
        self._zeros = padme(_LENGTH + length) - _LENGTH - length
        self._stream = sealing.encryptor(cek, name.context())
        self._digest = hashlib.sha256()
        self._sent = 0
        self._commitment = name.commitment(media_type, name.opening(r))
        self._pending = length.to_bytes(_LENGTH, "big")

    def update(self, data: bytes) -> bytes:
        """Ciphertext for these plaintext bytes. Raises PART-LENGTH when they are more than announced."""
        self.commit(data)
        return self.encrypt(data)

    def commit(self, data: bytes) -> None:
        """Commit to these plaintext bytes. Raises PART-LENGTH when they are more than announced."""
        self._left -= len(data)
        if self._left < 0:
            raise ProtocolError(codes.PART_LENGTH, "more plaintext than announced")
        self._commitment.update(data)

    def encrypt(self, data: bytes) -> bytes:
        """Ciphertext for these plaintext bytes."""
        out = self._stream.update(self._pending + data if self._pending else data)
        self._pending = b""
        return self._count(out)

    def pad(self) -> Iterator[bytes]:
        """Ciphertext of the padding, in pieces: half a gigabyte for a part of 32. Raises PART-LENGTH when plaintext is missing."""
        if self._left:
            raise ProtocolError(codes.PART_LENGTH, "less plaintext than announced")
        if self._pending:
            yield self.encrypt(b"")
        while self._zeros:
            step = min(self._zeros, _PIECE)
            self._zeros -= step
            yield self._count(self._stream.update(bytes(step)))

    def finalize(self) -> tuple[bytes, PartHead]:
        """The rest of the ciphertext, padding that was not taken included, and what the envelope says. Raises as ``pad``."""
        rest = b"".join(self.pad()) + self._count(self._stream.finalize())
        return rest, PartHead(self._sent, self._digest.digest(), self._commitment.digest())

    def _count(self, out: bytes) -> bytes:
        self._digest.update(out)
        self._sent += len(out)
        return out


class OpeningPart:
    """Checks one part while its ciphertext flows. Plaintext comes out of ``update``, but counts only after ``finalize``.

    Length and digest are judged before content: bytes that were altered on their way or on disk are PART-DIGEST, and can be
    sent again; only a part that is what its envelope names, and does not open, is its sender's fault.
    """

    def __init__(
        self, sealing: Sealing, name: PartName, head: PartHead, cek: bytes, r: bytes, media_type: str
    ) -> None:
        self._head = head
        self._stream: Stream = sealing.decryptor(cek, name.context())
        self._digest = hashlib.sha256()
        self._seen = 0
        self._commitment = name.commitment(media_type, name.opening(r))
        self._length: int | None = None
        self._opened = 0
        self._front = b""
        self._failed: ProtocolError | None = None

    def update(self, data: bytes) -> bytes:
        """Unverified plaintext of these ciphertext bytes: for hashing, never for showing. Raises PART-LENGTH."""
        self._seen += len(data)
        if self._seen > self._head.length:
            raise ProtocolError(codes.PART_LENGTH, "longer than announced")
        self._digest.update(data)
        if self._failed is not None:
            return b""
        try:
            return self._unpad(self._stream.update(data))
        except ProtocolError as error:
            self._failed = error
            return b""

    def finalize(self) -> bytes:
        """The rest of the plaintext; everything before it is now verified. Raises PART-LENGTH, -DIGEST, -CONTENT, -PADDING, -COMMITMENT."""
        if self._seen != self._head.length:
            raise ProtocolError(codes.PART_LENGTH, "shorter than announced")
        if self._digest.digest() != self._head.digest:
            raise ProtocolError(codes.PART_DIGEST)
        if self._failed is not None:
            raise self._failed
        rest = self._unpad(self._stream.finalize())
        padded = _LENGTH + (self._length or 0)
        if self._length is None or self._opened != padme(padded):
            raise ProtocolError(codes.PART_PADDING, "size")
        if self._commitment.digest() != self._head.commitment:
            raise ProtocolError(codes.PART_COMMITMENT)
        return rest

    def _unpad(self, data: bytes) -> bytes:
        if self._length is None:
            self._front += data
            if len(self._front) < _LENGTH:
                return b""
            data = self._front[_LENGTH:]
            self._length = int.from_bytes(self._front[:_LENGTH], "big")
            self._opened = _LENGTH
        end = _LENGTH + self._length
        content = data[: max(0, end - self._opened)]
        if data[len(content) :].count(0) != len(data) - len(content):
            raise ProtocolError(codes.PART_PADDING, "not zeros")
        self._opened += len(data)
        self._commitment.update(content)
        return content


def seal_part(sealing: Sealing, name: PartName, cek: bytes, r: bytes, media_type: str, plaintext: bytes) -> tuple[bytes, PartHead]:
    """A part that fits in memory, whole."""
    part = SealingPart(sealing, name, cek, r, media_type, len(plaintext))
    first = part.update(plaintext)
    rest, head = part.finalize()
    return first + rest, head


def open_part(sealing: Sealing, name: PartName, head: PartHead, secret: bytes, media_type: str, ciphertext: bytes) -> bytes:
    """The verified plaintext of a part that fits in memory; ``secret`` is CEK || r. Raises PART-*."""
    if len(ciphertext) != head.length:
        raise ProtocolError(codes.PART_LENGTH)
    part = OpeningPart(sealing, name, head, secret[:32], secret[32:], media_type)
    first = part.update(ciphertext)
    return first + part.finalize()


def verify_opening(name: PartName, head: PartHead, media_type: str, opening: bytes, plaintext_chunks: list[bytes]) -> None:
    """What a court checks: that this plaintext of this media type is the one committed to. Raises PART-COMMITMENT."""
    commitment = name.commitment(media_type, opening)
    for chunk in plaintext_chunks:
        commitment.update(chunk)
    if commitment.digest() != head.commitment:
        raise ProtocolError(codes.PART_COMMITMENT)
