"""Published vectors against what suite 1 uses: RFC 9180, HPKE-PQ, chunked-encryption, ML-DSA, ML-KEM, Wycheproof, CCTV.

The first five come with the package cryptography-vectors, the rest lies beside the checkout or is skipped. Where a vector has
associated data or a context, which we never use, the library below our suite is asked instead of the suite.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.bindings._rust import openssl as rust_openssl
from cryptography.hazmat.primitives import hashes, hpke
from cryptography.hazmat.primitives.asymmetric import ec, mldsa, mlkem, x25519
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand
from cryptography_vectors import open_vector_file

from keys.suite import SUITE, PrekeySecret, check_prekey
from protocol.errors import ProtocolError
from protocol.parts import PartName
from protocol.ports import Stream
from tests.keys import chunked
from tests.keys.vectors import wycheproof

KDFS = {1: hpke.KDF.HKDF_SHA256, 2: hpke.KDF.HKDF_SHA384, 3: hpke.KDF.HKDF_SHA512, 16: hpke.KDF.SHAKE128, 17: hpke.KDF.SHAKE256}
AEADS = {1: hpke.AEAD.AES_128_GCM, 2: hpke.AEAD.AES_256_GCM, 3: hpke.AEAD.CHACHA20_POLY1305}
BASE, X25519, P256, P521, HYBRID = 0, 0x20, 0x10, 0x12, 0x647A


def test_rfc_9180_base_mode() -> None:
    tried = 0
    for vector in _table("HPKE/test-vectors.json"):
        if vector["mode"] != BASE or vector["kem_id"] not in (X25519, P256, P521) or vector["aead_id"] not in AEADS:
            continue
        kem, key = _rfc_9180_key(vector["kem_id"], bytes.fromhex(vector["skRm"]))
        _first_encryption_opens(vector, kem, key)
        tried += 1
    assert tried == 18


def test_hpke_pq_with_our_kem() -> None:
    tried = 0
    for vector in _table("HPKE/hpke-pq-test-vectors.json"):
        if vector["mode"] != BASE or vector["kem_id"] != HYBRID:
            continue
        secret = PrekeySecret(bytes.fromhex(vector["skRm"]))
        assert secret.public == bytes.fromhex(vector["pkRm"]), "order of the halves, and how the seed is stretched"
        check_prekey(secret.public)
        _first_encryption_opens(vector, hpke.KEM.MLKEM768_X25519, secret._key)
        tried += 1
    assert tried == 2


def test_chunked_encryption_reaches_our_second_writing_of_it() -> None:
    outcomes = {"success": 0, "failure": 0}
    for vector in json.loads(_file("chunked-encryption/vectors.json"))["vectors"]:
        sealed = base64.b64decode(vector["ciphertext"] or "")
        sealed = zlib.decompress(sealed) if vector.get("compressed") else sealed
        key, context = bytes.fromhex(vector["key"]), vector["context"].encode()
        plain = chunked.decrypt("sha256", vector["aead"], key, context, sealed)
        if vector["expect"] == "success":
            assert plain is not None
            assert len(plain) == vector["payload_length"]
            assert hashlib.sha256(plain).hexdigest() == vector["payload_sha256"]
            assert chunked.encrypt("sha256", vector["aead"], key, context, sealed[:24], plain) == sealed
        else:
            assert plain is None, vector["name"]
        outcomes[vector["expect"]] += 1
    assert outcomes == {"success": 27, "failure": 75}


@pytest.mark.parametrize("length", [0, 1, 7, 16_383, 16_384, 16_385, 32_767, 32_768, 50_000])
def test_our_second_writing_agrees_with_cobblestone_256(length: int) -> None:
    key, context, salt, plain = os.urandom(32), os.urandom(20), os.urandom(24), os.urandom(length)
    theirs = _run(SUITE.encryptor(key, context), plain)
    ours = chunked.encrypt("sha512", "AEAD_AES_256_GCM", key, context, salt, plain)
    assert len(ours) == len(theirs)
    for sealed in (ours, theirs):
        assert _run(SUITE.decryptor(key, context), sealed) == plain
        assert chunked.decrypt("sha512", "AEAD_AES_256_GCM", key, context, sealed) == plain


@pytest.mark.parametrize("length", [0, 7, 16_384, 40_000])
def test_both_refuse_what_the_failure_vectors_are_made_of(length: int) -> None:
    key, context = os.urandom(32), b"context"
    sealed = _run(SUITE.encryptor(key, context), os.urandom(length))
    chunk = 16_400
    swapped = sealed[:56] + sealed[56 + chunk : 56 + 2 * chunk] + sealed[56 : 56 + chunk] + sealed[56 + 2 * chunk :]
    ends = {0, 23, 24, 55, 56, 71, len(sealed) - 17, len(sealed) - 16, len(sealed) - 1}
    cuts = [sealed[:at] for at in ends if at < len(sealed)]
    flips = [sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :] for at in (0, 24, 55, 56, len(sealed) - 1)]
    longer = [sealed + b"x", sealed + sealed[56:], sealed[: 56 + chunk] if length >= chunk else sealed[:56]]
    for wrong in [*cuts, *flips, *longer, *([swapped] if length >= 2 * chunk else [])]:
        assert chunked.decrypt("sha512", "AEAD_AES_256_GCM", key, context, wrong) is None
        with pytest.raises(ProtocolError, match="PART-CONTENT"):
            _run(SUITE.decryptor(key, context), wrong)


def test_ml_dsa_44_known_answers() -> None:
    tried = 0
    for case in _responses("asymmetric/MLDSA/kat_MLDSA_44_det_pure.rsp"):
        key = mldsa.MLDSA44PrivateKey.from_seed_bytes(case["xi"])
        assert key.public_key().public_bytes_raw() == case["pk"]
        public = mldsa.MLDSA44PublicKey.from_public_bytes(case["pk"])
        public.verify(case["sm"][:2420], case["msg"], case["ctx"])
        assert SUITE.verify_mldsa44(case["pk"], case["sm"][:2420], case["msg"]) == (case["ctx"] == b"")
        tried += 1
    assert tried == 100


def test_ml_kem_768_known_answers() -> None:
    tried = 0
    for case in _responses("asymmetric/MLKEM/kat_MLKEM_768.rsp"):
        key = mlkem.MLKEM768PrivateKey.from_seed_bytes(case["d"] + case["z"])
        assert key.public_key().public_bytes_raw() == case["pk"]
        assert key.decapsulate(case["ct"]) == case["ss"]
        assert key.decapsulate(case["ct_n"]) == case["ss_n"], "implicit rejection gives the other secret"
        tried += 1
    assert tried == 1000


def test_wycheproof_ed25519() -> None:
    for group, case in wycheproof("ed25519"):
        public = bytes.fromhex(group["publicKey"]["pk"])
        verified = SUITE.verify_ed25519(public, bytes.fromhex(case["sig"]), bytes.fromhex(case["msg"]))
        assert verified == (case["result"] == "valid"), case["tcId"]


def test_wycheproof_ml_dsa_44() -> None:
    for group, case in wycheproof("mldsa_44_verify"):
        public, context = bytes.fromhex(group["publicKey"]), bytes.fromhex(case.get("ctx", ""))
        signature, message = bytes.fromhex(case["sig"]), bytes.fromhex(case["msg"])
        valid = case["result"] == "valid"
        assert SUITE.verify_mldsa44(public, signature, message) == (valid and not context), case["tcId"]
        if context:
            assert _verifies_under(public, signature, message, context) == valid, case["tcId"]


def test_wycheproof_ml_kem_768() -> None:
    for _, case in wycheproof("mlkem_768"):
        seed, sealed = bytes.fromhex(case["seed"]), bytes.fromhex(case["c"])
        if case["result"] == "valid":
            key = mlkem.MLKEM768PrivateKey.from_seed_bytes(seed)
            assert key.public_key().public_bytes_raw().hex() == case["ek"]
            assert key.decapsulate(sealed).hex() == case["K"]
        else:
            with pytest.raises(ValueError):
                mlkem.MLKEM768PrivateKey.from_seed_bytes(seed).decapsulate(sealed)


def test_wycheproof_ml_kem_768_keys() -> None:
    point = x25519.X25519PrivateKey.generate().public_key().public_bytes_raw()
    for _, case in wycheproof("mlkem_768_encaps"):
        public = bytes.fromhex(case["ek"]) + point
        if case["result"] == "valid":
            check_prekey(public)
        else:
            with pytest.raises(ProtocolError, match="KEY-WEAK"):
                check_prekey(public)


def test_wycheproof_hkdf_sha512() -> None:
    for _, case in wycheproof("hkdf_sha512"):
        ikm, salt, info = (bytes.fromhex(case[field]) for field in ("ikm", "salt", "info"))
        if case["result"] == "valid":
            assert HKDF(hashes.SHA512(), case["size"], salt, info).derive(ikm).hex() == case["okm"]
        else:
            with pytest.raises(ValueError, match="larger"):
                HKDF(hashes.SHA512(), case["size"], salt, info)


def test_the_core_expands_as_the_library_does() -> None:
    """The core computes one block of HKDF-Expand by itself; the library that passed the vectors above agrees."""
    for index in range(20):
        name = PartName(bytes([index]) * 32, bytes([index]) * 16, index)
        r = hashlib.sha512(bytes([index])).digest()
        info = name.context().replace(b"\x70rogatory/part/v1", b"\x6drogatory/r/v1")
        assert name.opening(r) == HKDFExpand(hashes.SHA512(), 32, info).derive(r)


def _table(name: str) -> list[dict[str, Any]]:
    table = json.loads(_file(name))
    assert isinstance(table, list)
    return table


def _responses(name: str) -> Iterator[dict[str, bytes]]:
    """The cases of a NIST response file: ``name = hex`` lines, one blank line or count between cases."""
    case: dict[str, bytes] = {}
    for line in [*_file(name).splitlines(), "count = end"]:
        field, _, value = line.strip().partition(" =")
        if field == "count":
            if case:
                yield case
            case = {}
        elif field and not field.startswith(("#", "mlen", "smlen")):
            case[field] = bytes.fromhex(value)


def _rfc_9180_key(kem: int, secret: bytes) -> tuple[hpke.KEM, Any]:
    if kem == X25519:
        return hpke.KEM.X25519, x25519.X25519PrivateKey.from_private_bytes(secret)
    curve, name = (ec.SECP256R1(), hpke.KEM.P256) if kem == P256 else (ec.SECP521R1(), hpke.KEM.P521)
    return name, ec.derive_private_key(int.from_bytes(secret, "big"), curve)


def _file(name: str) -> str:
    with open_vector_file(name, "r") as file:
        return str(file.read())


def _first_encryption_opens(vector: dict[str, Any], kem: hpke.KEM, key: Any) -> None:
    """The first ciphertext is what a single shot makes, with the vector's associated data."""
    suite = hpke.Suite(kem, KDFS[vector["kdf_id"]], AEADS[vector["aead_id"]])
    first = vector["encryptions"][0]
    sealed = bytes.fromhex(vector["enc"]) + bytes.fromhex(first["ct"])
    info, aad = bytes.fromhex(vector["info"]), bytes.fromhex(first["aad"])
    assert rust_openssl.hpke._decrypt_with_aad(suite, sealed, key, info, aad).hex() == first["pt"]


def _verifies_under(public: bytes, signature: bytes, message: bytes, context: bytes) -> bool:
    try:
        mldsa.MLDSA44PublicKey.from_public_bytes(public).verify(signature, message, context)
    except (InvalidSignature, ValueError):
        return False
    return True


def _run(stream: Stream, data: bytes) -> bytes:
    return stream.update(data) + stream.finalize()
