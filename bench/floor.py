"""The floor: the primitives of one message, without a line of the product. What no implementation of this protocol can go below.

    python bench/floor.py [--seconds 5] [--pouch 256]

Two processes at once, one the sender's and one the recipient's work for 4 KiB unique bodies: HPKE wrap, body cipher, SHA-256 of ciphertext,
commitment and envelope, leaf and path hashes per message; signatures and verifications per pouch. The slower one is the floor.
Last line: one JSON object.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import os
import time

from cryptography.cobblestone import Cobblestone256Decryptor, Cobblestone256Encryptor
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric import ed25519, mldsa, mlkem, x25519

BODY = 4096
PATH = 20  # hashes of an inclusion path in a log of a million entries
SUITE = hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA512, hpke.AEAD.AES_256_GCM)


def _hashes(data: bytes) -> None:
    hashlib.sha256(data).digest()
    hashlib.sha256(data).digest()
    hashlib.sha512(data[:300]).digest()
    node = hashlib.sha256(data[:300]).digest()
    for _ in range(PATH):
        node = hashlib.sha256(b"\1" + node + node).digest()


def _sender(seconds: float, pouch: int, out: multiprocessing.Queue) -> None:
    kem = hpke.MLKEM768X25519PrivateKey(mlkem.MLKEM768PrivateKey.generate(), x25519.X25519PrivateKey.generate())
    public = kem.public_key()
    log, log_pq = ed25519.Ed25519PrivateKey.generate(), mldsa.MLDSA44PrivateKey.generate()
    theirs, theirs_pq = (log.public_key(), log.sign(b"head")), (log_pq.public_key(), log_pq.sign(b"head"))
    done, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        for _ in range(pouch):
            key = os.urandom(96)
            SUITE.encrypt(key, public, key[:64])
            cipher = Cobblestone256Encryptor(key[:32], b"context")
            _hashes(cipher.update(os.urandom(BODY)) + cipher.finalize())
        log.sign(b"head")
        log_pq.sign(b"head")
        theirs[0].verify(theirs[1], b"head")
        theirs_pq[0].verify(theirs_pq[1], b"head")
        done += pouch
    out.put(("sender", done, time.perf_counter() - start, time.process_time()))


def _recipient(seconds: float, pouch: int, out: multiprocessing.Queue) -> None:
    kem = hpke.MLKEM768X25519PrivateKey(mlkem.MLKEM768PrivateKey.generate(), x25519.X25519PrivateKey.generate())
    log, log_pq = ed25519.Ed25519PrivateKey.generate(), mldsa.MLDSA44PrivateKey.generate()
    theirs, theirs_pq = (log.public_key(), log.sign(b"head")), (log_pq.public_key(), log_pq.sign(b"head"))
    key = os.urandom(96)
    wraps = [SUITE.encrypt(key, kem.public_key(), b"info" * 16) for _ in range(16)]
    cipher = Cobblestone256Encryptor(key[:32], b"context")
    sealed = cipher.update(os.urandom(BODY)) + cipher.finalize()
    done, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        for i in range(pouch):
            SUITE.decrypt(wraps[i % 16], kem, b"info" * 16)
            opener = Cobblestone256Decryptor(key[:32], b"context")
            _hashes(opener.update(sealed) + opener.finalize())
        log.sign(b"head")
        log_pq.sign(b"head")
        theirs[0].verify(theirs[1], b"head")
        theirs_pq[0].verify(theirs_pq[1], b"head")
        done += pouch
    out.put(("recipient", done, time.perf_counter() - start, time.process_time()))


def measure(seconds: float, pouch: int) -> dict[str, float]:
    """Both sides at once; messages per second of the slower, CPU microseconds per message of each."""
    context = multiprocessing.get_context("spawn")
    out = context.Queue()
    sides = [context.Process(target=side, args=(seconds, pouch, out)) for side in (_sender, _recipient)]
    for side in sides:
        side.start()
    results = {name: (done, wall) for name, done, wall, _ in (out.get() for _ in sides)}
    for side in sides:
        side.join()
    rates = {name: done / wall for name, (done, wall) in results.items()}
    return {
        "floor_messages_per_second": round(min(rates.values()), 1),
        "sender_us": round(1e6 / rates["sender"], 1),
        "recipient_us": round(1e6 / rates["recipient"], 1),
        "pouch": pouch,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--pouch", type=int, default=256)
    options = parser.parse_args()
    print(json.dumps(measure(options.seconds, options.pouch)))
