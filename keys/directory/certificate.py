"""Transport certificates: only their key counts. Nobody's certificate authority is asked; the directory pins the key itself."""

from __future__ import annotations

import hashlib

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, SECP384R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from keys.directory import codes
from keys.directory.rolekeys import check_ed25519
from protocol.errors import ProtocolError


def spki_sha256(der: bytes) -> bytes:
    """SHA-256 of the SubjectPublicKeyInfo of a DER certificate: Ed25519, P-256 or P-384. Raises DIRECTORY-CERTIFICATE."""
    key = _key(der)
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()


def raw_ed25519(der: bytes) -> bytes | None:
    """The raw key when the certificate has an Ed25519 key, to compare it with other uses; else None."""
    key = _key(der)
    return key.public_bytes_raw() if isinstance(key, Ed25519PublicKey) else None


def _key(der: bytes) -> Ed25519PublicKey | EllipticCurvePublicKey:
    try:
        key = x509.load_der_x509_certificate(der).public_key()
    except (ValueError, UnsupportedAlgorithm):
        raise ProtocolError(codes.DIRECTORY_CERTIFICATE, "not a DER certificate") from None
    if isinstance(key, Ed25519PublicKey):
        check_ed25519(key.public_bytes_raw(), "transport certificate")
        return key
    if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1 | SECP384R1):
        return key
    raise ProtocolError(codes.DIRECTORY_CERTIFICATE, "use an Ed25519, P-256 or P-384 key")
