"""Real keys from fixed seeds, and a small log, for the tests of the C2SP formats."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from protocol.checkpoint import Checkpoint, LogKeys, sign_head
from protocol.cosignature import cosign
from protocol.merkle import Frontier, inclusion, leaf_hash
from protocol.note import Note, format_note, parse_note
from protocol.vkey import COSIGNATURE_ED25519, COSIGNATURE_MLDSA44, ED25519, Signature, VKey

ORIGIN = "example.org/xa-ca/log/1"
TIME = 1_700_000_000  # seconds


class Pair:
    """An Ed25519 and an ML-DSA-44 key made from a name (implements ``ports.LogSigner``)."""

    def __init__(self, name: str) -> None:
        seed = sha256(name.encode()).digest()
        self.ed25519_secret = Ed25519PrivateKey.from_private_bytes(seed)
        self.mldsa44_secret = MLDSA44PrivateKey.from_seed_bytes(seed)
        self.ed25519 = self.ed25519_secret.public_key().public_bytes_raw()
        self.mldsa44 = self.mldsa44_secret.public_key().public_bytes_raw()

    def sign_ed25519(self, message: bytes) -> bytes:
        return self.ed25519_secret.sign(message)

    def sign_mldsa44(self, message: bytes) -> bytes:
        return self.mldsa44_secret.sign(message)

    def keys(self, origin: str = ORIGIN) -> LogKeys:
        return LogKeys(origin, self.ed25519, self.mldsa44)

    def vkey(self, name: str, algorithm: int) -> VKey:
        return VKey(name, algorithm, self.mldsa44 if algorithm == COSIGNATURE_MLDSA44 else self.ed25519)

    def line(self, name: str, algorithm: int, text: bytes) -> Signature:
        """A line of type 0x01 over any text."""
        assert algorithm == ED25519
        return Signature(name, self.vkey(name, algorithm).key_id, self.sign_ed25519(text))

    def cosign(self, name: str, algorithm: int, checkpoint: Checkpoint, time_s: int = TIME) -> Signature:
        """A 0x04 or 0x06 line."""
        sign = self.sign_ed25519 if algorithm == COSIGNATURE_ED25519 else self.sign_mldsa44
        return cosign(self.vkey(name, algorithm), checkpoint, time_s, sign)


LOG = Pair("log")
KEYS = LOG.keys()


class Tree:
    """Every complete subtree of a log of these entries (implements ``merkle.HashReader``)."""

    def __init__(self, entries: Sequence[bytes]) -> None:
        self.entries = list(entries)
        self.nodes: dict[tuple[int, int], bytes] = {}
        frontier = Frontier()
        for entry in entries:
            self.nodes.update({(level, index): h for level, index, h in frontier.append(leaf_hash(entry))})
        self.root = frontier.root()
        self.size = len(entries)

    def node(self, level: int, index: int) -> bytes:
        return self.nodes[level, index]

    def checkpoint(self, origin: str = ORIGIN) -> Checkpoint:
        return Checkpoint(origin, self.size, self.root)

    def path(self, index: int) -> tuple[bytes, ...]:
        return tuple(inclusion(index, self.size, self))

    def head(self, signer: Pair = LOG, origin: str = ORIGIN, time_s: int = TIME) -> bytes:
        return sign_head(self.checkpoint(origin), time_s, signer, signer.keys(origin))


def with_lines(note: bytes, *lines: Signature) -> bytes:
    """The note with more lines after its own."""
    parsed = parse_note(note)
    return format_note(parsed.text, (*parsed.signatures, *lines))


def only_lines(note: bytes, *places: int) -> Note:
    """The note with only these of its lines."""
    parsed = parse_note(note)
    return Note(parsed.text, tuple(parsed.signatures[place] for place in places))


SMALL = Tree([b"entry %d" % i for i in range(13)])
