"""Keys that everybody has the secret half of: from standards' test vectors, documents, and seeds that a person would type.

Production refuses them wherever they stand (DIR-22): a default key left in place is as good as none. The list holds digests of
the public keys that follow from known seeds, for every signature algorithm of ours, and is made when first asked for.
"""

from __future__ import annotations

from functools import cache

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA65PrivateKey

from keys.directory.rolekeys import digest

# RFC 8032 section 7.1, TEST 1, 2, 3, 1024 and SHA(abc)
_RFC8032 = (
    "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
    "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
    "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
    "f5e5767cf153319517630f226876b86c8160cc583bc013744c6bf255f5cc0ee5",
    "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
)


def is_known(raw: bytes) -> bool:
    """Whether a raw public key (Ed25519, ML-DSA-44 or ML-DSA-65) belongs to a seed that is public."""
    return digest(raw) in _digests()


def seeds() -> list[bytes]:
    """The seeds of 32 bytes: RFC 8032's, one byte repeated, and bytes counting up and down."""
    repeated = [bytes([n]) * 32 for n in range(256)]
    counting = [bytes(range(32)), bytes(range(1, 33)), bytes(range(31, -1, -1))]
    return [bytes.fromhex(seed) for seed in _RFC8032] + repeated + counting


@cache
def _digests() -> frozenset[bytes]:
    found: set[bytes] = set()
    for seed in seeds():
        found.add(digest(Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()))
        found.add(digest(MLDSA44PrivateKey.from_seed_bytes(seed).public_key().public_bytes_raw()))
        found.add(digest(MLDSA65PrivateKey.from_seed_bytes(seed).public_key().public_bytes_raw()))
    return frozenset(found)
