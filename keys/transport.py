"""Transport keys: P-256, self-signed certificates, TLS 1.3 with both sides named by the directory's pins.

P-256 and not Ed25519: every TLS stack, front proxy and token that an authority may put before its node takes it. The
certificate only carries the key; who its holder is says the directory, by SHA-256 of the SubjectPublicKeyInfo. Trust anchors
are the directory's certificates themselves, so an unknown, expired or wrongly signed one never gets through the handshake.

The private key never lies on a disk in clear: ``ssl`` reads keys from files only, so it gets an anonymous file in memory
(``memfd``), and in it a PEM that is encrypted under a password of that moment, for whoever could look into our descriptors.
"""

from __future__ import annotations

import hashlib
import os
import ssl
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from keys import codes
from protocol import codes as protocol_codes
from protocol.errors import LocalError, ProtocolError

SECRET: Final = 32  # bytes: the private scalar, big endian

_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of P-256
_SIGNS_ONLY: Final = x509.KeyUsage(
    digital_signature=True, content_commitment=False, key_encipherment=False, data_encipherment=False, key_agreement=False,
    key_cert_sign=False, crl_sign=False, encipher_only=False, decipher_only=False,
)  # fmt: skip
_PURPOSES: Final = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)


class TransportKey:
    """One P-256 key for both directions. ``secret``: 32 bytes; ``certificate``: DER, empty until one was issued."""

    __slots__ = ("_key", "certificate", "secret")

    def __init__(self, secret: bytes, certificate: bytes = b"") -> None:
        """Raises ValueError when the secret is no P-256 scalar of 32 bytes or the certificate is of another key."""
        if len(secret) != SECRET:
            raise ValueError("a transport key's secret has 32 bytes")
        self.secret = secret
        self._key = ec.derive_private_key(int.from_bytes(secret, "big"), ec.SECP256R1())
        if certificate and x509.load_der_x509_certificate(certificate).public_key() != self._key.public_key():
            raise ValueError("this certificate is of another key")
        self.certificate = certificate

    @classmethod
    def generate(cls, rand: Callable[[int], bytes] = os.urandom) -> TransportKey:
        """A new key without certificate; ``rand(n)`` gives n random bytes."""
        while True:
            secret = rand(SECRET)
            if 0 < int.from_bytes(secret, "big") < _ORDER:
                return cls(secret)

    def issue_certificate(
        self, authority: str, network: str, not_before: int, not_after: int, rand: Callable[[int], bytes] = os.urandom
    ) -> bytes:
        """Issue the key's certificate, keep it and return its DER. Times in ms; they are cut to whole seconds."""
        public = self._key.public_key()
        name = x509.Name(
            [x509.NameAttribute(NameOID.ORGANIZATION_NAME, network[:64]), x509.NameAttribute(NameOID.COMMON_NAME, authority)]
        )
        key_id = x509.SubjectKeyIdentifier.from_public_key(public)
        builder = (
            x509.CertificateBuilder(name, name, public)
            .serial_number(int.from_bytes(rand(16), "big") >> 1 | 1)
            .not_valid_before(_utc(not_before))
            .not_valid_after(_utc(not_after))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_SIGNS_ONLY, critical=True)
            .add_extension(x509.ExtendedKeyUsage(_PURPOSES), critical=False)
            .add_extension(key_id, critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(key_id), critical=False)
        )
        self.certificate = builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
        return self.certificate

    def load_into(self, context: ssl.SSLContext) -> None:
        """Give a context this key and certificate, a running one too: connections from now on use them.

        Raises TRANSPORT-CERTIFICATE when no certificate was issued.
        """
        if not self.certificate:
            raise LocalError(codes.TRANSPORT_CERTIFICATE, "none was issued")
        password = os.urandom(32).hex().encode()
        pem = ssl.DER_cert_to_PEM_cert(self.certificate).encode() + self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(password)
        )
        handle = os.memfd_create("transport", os.MFD_CLOEXEC)
        try:
            with os.fdopen(handle, "wb", closefd=False) as file:
                file.write(pem)
            context.load_cert_chain(f"/proc/self/fd/{handle}", password=password)
        finally:
            os.close(handle)


def server_context(key: TransportKey, trusted: Iterable[bytes]) -> ssl.SSLContext:
    """A listener's context: TLS 1.3, a client certificate required, only these DER certificates trusted.

    No session tickets: a resumed session would not look at the directory again. Raises TRANSPORT-CERTIFICATE.
    """
    context = _context(ssl.PROTOCOL_TLS_SERVER, key, trusted)
    context.num_tickets = 0
    return context


def client_context(key: TransportKey, trusted: Iterable[bytes]) -> ssl.SSLContext:
    """A caller's context: TLS 1.3, our certificate shown, only these DER certificates trusted: give those of the peer alone.

    Host names are not compared: after the handshake call ``peer_authority``. Raises TRANSPORT-CERTIFICATE.
    """
    return _context(ssl.PROTOCOL_TLS_CLIENT, key, trusted)


def trust_also(context: ssl.SSLContext, trusted: Iterable[bytes]) -> None:
    """Add trust anchors to a running context. Raises TRANSPORT-CERTIFICATE.

    None can be taken away: who has left is refused by ``peer_authority``, and unknown to the next context.
    """
    ders = b"".join(dict.fromkeys(trusted))
    if not ders:
        return
    try:
        context.load_verify_locations(cadata=ders)
    except ssl.SSLError:
        raise LocalError(codes.TRANSPORT_CERTIFICATE, "a trust anchor") from None


def peer_authority(connection: ssl.SSLObject | ssl.SSLSocket | None, pins: Mapping[bytes, str]) -> str:
    """Whose key the other side of this connection has proven. ``pins``: SPKI pin -> authority. Raises TLS-AUTHORITY. (Check 2)

    Answers for the certificate shown; whether that is the authority one meant to call is for the caller to compare.
    """
    der = connection.getpeercert(binary_form=True) if connection is not None else None
    authority = pins.get(spki_pin(der)) if der else None
    if authority is None:
        raise ProtocolError(protocol_codes.TLS_AUTHORITY)
    return authority


@lru_cache(maxsize=4096)
def spki_pin(der: bytes) -> bytes:
    """SHA-256 of a DER certificate's SubjectPublicKeyInfo. Raises TRANSPORT-CERTIFICATE."""
    try:
        public = x509.load_der_x509_certificate(der).public_key()
    except (ValueError, TypeError):
        raise LocalError(codes.TRANSPORT_CERTIFICATE, f"{len(der)} bytes") from None
    spki = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(spki).digest()


def validity(der: bytes) -> tuple[int, int]:
    """From when until when (ms) a DER certificate is valid. Raises TRANSPORT-CERTIFICATE."""
    try:
        certificate = x509.load_der_x509_certificate(der)
    except (ValueError, TypeError):
        raise LocalError(codes.TRANSPORT_CERTIFICATE, f"{len(der)} bytes") from None
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return int(begins.timestamp()) * 1000, int(ends.timestamp()) * 1000


def _context(protocol: int, key: TransportKey, trusted: Iterable[bytes]) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # an anchor is the peer's own certificate, not an issuer's
    context.set_alpn_protocols(["http/1.1"])
    key.load_into(context)
    trust_also(context, trusted)
    return context


def _utc(ms: int) -> datetime:
    return datetime.fromtimestamp(ms // 1000, UTC)
