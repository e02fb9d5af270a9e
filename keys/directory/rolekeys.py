"""The keys of directory roles: always a pair, Ed25519 and ML-DSA-65, held by one person, keeper or authority.

With pairs, a threshold of p of n holders is a threshold of 2p keys; 2p > n makes sure that no algorithm alone can reach it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey, MLDSA65PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from keys import suite
from keys.directory import codes
from keys.directory.metadata import CryptoSigner, SSlibKey
from keys.sealedfile import Profile, open_file, seal_file
from protocol.errors import LocalError, ProtocolError

ED25519: Final = "ed25519"
MLDSA65: Final = "ml-dsa-65/1"
ALGORITHMS: Final = (ED25519, MLDSA65)
_SEED: Final = 32


@dataclass(frozen=True, slots=True)
class Holder:
    """One holder of a pair of role keys. ``name`` is for people and file names only. The seeds (32 bytes each) never print."""

    name: str
    ed25519_seed: bytes = field(repr=False)
    mldsa65_seed: bytes = field(repr=False)

    @classmethod
    def generate(cls, name: str) -> Holder:
        """A new pair from the operating system's randomness."""
        return cls(name, Ed25519PrivateKey.generate().private_bytes_raw(), MLDSA65PrivateKey.generate().private_bytes_raw())

    def seal(self, path: Path, passphrase: bytes, profile: Profile = Profile.MODERATE) -> None:
        """Write the pair to a sealed file. Raises SEALED-FILE-EXISTS."""
        seal_file(path, self.ed25519_seed + self.mldsa65_seed, passphrase, profile)

    @classmethod
    def open(cls, path: Path, passphrase: bytes) -> Holder:
        """The pair in a sealed file, named after it. Raises SEALED-FILE-FORM, SEALED-FILE-PASSPHRASE, DIRECTORY-KEY-FORM."""
        secret = open_file(path, passphrase)
        if len(secret) != 2 * _SEED:
            raise LocalError(codes.DIRECTORY_KEY_FORM, path.name)
        return cls(path.stem, secret[:_SEED], secret[_SEED:])

    def signers(self) -> tuple[CryptoSigner, CryptoSigner]:
        """Both signers, for securesystemslib."""
        return (
            CryptoSigner(Ed25519PrivateKey.from_private_bytes(self.ed25519_seed)),
            CryptoSigner(MLDSA65PrivateKey.from_seed_bytes(self.mldsa65_seed)),
        )

    def public(self) -> HolderKeys:
        """The public halves."""
        ed25519, mldsa65 = (s.public_key for s in self.signers())
        return HolderKeys(self.name, ed25519, mldsa65)


@dataclass(frozen=True, slots=True)
class HolderKeys:
    """The public halves of a holder's pair."""

    name: str
    ed25519: SSlibKey
    mldsa65: SSlibKey

    def both(self) -> tuple[SSlibKey, SSlibKey]:
        """Both keys, Ed25519 first."""
        return self.ed25519, self.mldsa65

    def dump(self) -> bytes:
        """As a small JSON file, to carry to whoever makes the metadata."""
        keys = {k.keyid: k.to_dict() for k in self.both()}
        return json.dumps({"name": self.name, "keys": keys}, indent=1, sort_keys=True).encode() + b"\n"

    @classmethod
    def parse(cls, data: bytes) -> HolderKeys:
        """From ``dump``. Raises DIRECTORY-KEY-FORM, DIRECTORY-KEY-TWICE."""
        try:
            value = json.loads(data)
            name, keys = str(value["name"]), dict(value["keys"])
        except (ValueError, TypeError, KeyError, RecursionError):
            raise ProtocolError(codes.DIRECTORY_KEY_FORM, "not a file of public role keys") from None
        return cls.from_keys(name, keys)

    @classmethod
    def from_keys(cls, name: str, keys: dict[str, Any]) -> HolderKeys:
        """From key id -> key as metadata writes them. Raises DIRECTORY-KEY-FORM, DIRECTORY-KEY-TWICE."""
        found: dict[str, SSlibKey] = {}
        for keyid, key in keys.items():
            algorithm, _ = check(keyid, key)
            found[algorithm] = SSlibKey.from_dict(keyid, dict(key))
        if len(keys) != 2 or set(found) != set(ALGORITHMS):
            raise ProtocolError(codes.DIRECTORY_KEY_FORM, "a pair is one Ed25519 and one ML-DSA-65 key")
        return cls(name, found[ED25519], found[MLDSA65])


def threshold(persons: int, holders: Sequence[HolderKeys]) -> int:
    """The number of keys that ``persons`` of these holders make. Raises DIRECTORY-THRESHOLD-* when it cannot be a threshold."""
    if persons < 1:
        raise LocalError(codes.DIRECTORY_THRESHOLD_ZERO, str(persons))
    if persons > len(holders):
        raise LocalError(codes.DIRECTORY_THRESHOLD_UNREACHABLE, f"{persons} of {len(holders)}")
    if 2 * persons <= len(holders):
        raise LocalError(codes.DIRECTORY_THRESHOLD_ONE_KIND, f"{persons} of {len(holders)}: more than half must sign")
    return 2 * persons


def check(keyid: str, key: dict[str, Any]) -> tuple[str, bytes]:
    """Algorithm and raw public bytes of a key as metadata writes it.

    Raises DIRECTORY-KEY-FORM for another algorithm, spelling or an unsound key; DIRECTORY-KEY-TWICE for an id not its digest.
    """
    try:
        public = _load(key["scheme"], key["keyval"]["public"])
        canonical = SSlibKey.from_crypto(public)
        if canonical.to_dict() != key:
            raise ValueError("another spelling")
    except (ValueError, TypeError, KeyError, UnsupportedAlgorithm):
        raise ProtocolError(codes.DIRECTORY_KEY_FORM, keyid[:16]) from None
    if canonical.keyid != keyid:
        raise ProtocolError(codes.DIRECTORY_KEY_TWICE, keyid[:16])
    raw = public.public_bytes_raw()
    if isinstance(public, Ed25519PublicKey):
        check_ed25519(raw, keyid[:16])
    return canonical.scheme, raw


def check_ed25519(raw: bytes, whose: str) -> None:
    """Refuse small-order, mixed-order and non-canonical Ed25519 keys. Raises DIRECTORY-KEY-FORM."""
    try:
        suite.check_ed25519(raw)
    except ProtocolError:
        raise ProtocolError(codes.DIRECTORY_KEY_FORM, whose) from None


def digest(raw: bytes) -> bytes:
    """SHA-256 of a raw public key: how keys are compared across uses."""
    return hashlib.sha256(raw).digest()


def _load(scheme: str, public: str) -> Ed25519PublicKey | MLDSA65PublicKey:
    if scheme == ED25519:
        return Ed25519PublicKey.from_public_bytes(bytes.fromhex(public))
    if scheme == MLDSA65:
        key = load_pem_public_key(public.encode())
        if isinstance(key, MLDSA65PublicKey):
            return key
    raise ValueError("not a key of a directory role")
