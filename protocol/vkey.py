"""C2SP verifier keys and signature lines: who may sign a note, and one line of a note.

    example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k     a verifier key
    — example.com/foo Uw2QOkn8srV1yJGh2VYR...                                a signature line

Name and 4-byte id only select among pinned keys; they prove nothing by themselves.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from protocol import codes
from protocol.canonical import from_base64, to_base64
from protocol.errors import ProtocolError

ED25519: Final = 0x01
COSIGNATURE_ED25519: Final = 0x04
COSIGNATURE_MLDSA44: Final = 0x06
KEY_ID: Final = 4
NAME: Final = 255  # bytes: a 0x06 message has one length byte for it

_KEY_SIZES: Final = {ED25519: 32, COSIGNATURE_ED25519: 32, COSIGNATURE_MLDSA44: 1312}
_NAME: Final = re.compile(r"[^\s+\x00-\x1f]+")


@dataclass(frozen=True, slots=True)
class VKey:
    """A verifier key: name, signature type (0x01, 0x04 or 0x06) and public key. Raises NOTE-VKEY when they cannot be one.

    ``key_id``: SHA-256(name || 0x0A || type || public key), the first 4 bytes.
    """

    name: str
    algorithm: int
    public_key: bytes
    key_id: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not is_key_name(self.name) or len(self.name.encode()) > NAME:
            raise ProtocolError(codes.NOTE_VKEY, f"the name {self.name[:80]!r}")
        if _KEY_SIZES.get(self.algorithm) != len(self.public_key):
            raise ProtocolError(codes.NOTE_VKEY, f"type {self.algorithm:#04x} with a key of {len(self.public_key)} bytes")
        digest = sha256(self.name.encode() + b"\n" + bytes((self.algorithm,)) + self.public_key).digest()
        object.__setattr__(self, "key_id", digest[:KEY_ID])

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{to_base64(bytes((self.algorithm,)) + self.public_key)}"

    @classmethod
    def parse(cls, text: str) -> VKey:
        """Parse ``<name>+<hex id>+<base64>``. Raises NOTE-VKEY, also when the id is not the one that follows from the key."""
        pieces = text.split("+", 2)
        if len(pieces) != 3:
            raise ProtocolError(codes.NOTE_VKEY, "not three pieces joined by plus signs")
        name, key_id, key = pieces
        data = from_base64(key, codes.NOTE_VKEY, "the key")
        vkey = cls(name, data[0] if data else 0, data[1:])
        if vkey.key_id.hex() != key_id:
            raise ProtocolError(codes.NOTE_VKEY, f"the id {key_id[:16]!r} is not the key's {vkey.key_id.hex()}")
        return vkey


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line: the key's name and id, and what follows the id (for 0x04 and 0x06: time and signature)."""

    name: str
    key_id: bytes
    blob: bytes

    def __str__(self) -> str:
        return f"\N{EM DASH} {self.name} {to_base64(self.key_id + self.blob)}"

    def is_by(self, key: VKey) -> bool:
        """Whether name and id are this key's. Says nothing about the signature."""
        return self.name == key.name and self.key_id == key.key_id


def is_key_name(name: str) -> bool:
    """Whether this can be a key's name: not empty, without Unicode spaces, plus signs and ASCII control characters."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return _NAME.fullmatch(name) is not None
