"""Another peer: AS2 messages of 4 KiB with signed MDNs, by pyas2lib over HTTP on this machine.

    python bench/peers/as2.py --messages 100 --sessions 1        needs pyas2lib

Two processes. A message is signed (RSA-2048, SHA-256) and encrypted (AES-256), posted, decrypted and verified, answered with a
signed MDN, and counts when the MDN was verified. In the peer's favour: plain HTTP, nothing is stored, no database.
Last line: one JSON object.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import multiprocessing
import os
import threading
import time
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID
from pyas2lib.as2 import Mdn, Message, Organization, Partner

BODY = 4096


def make_key(name: str) -> tuple[bytes, bytes]:
    """(PKCS#12 with key and certificate, certificate as PEM)."""
    key = rsa.generate_private_key(65537, 2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime(2026, 1, 1)  # noqa: DTZ001 - cryptography takes it for UTC
    made = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    made = made.serial_number(x509.random_serial_number()).not_valid_before(now).not_valid_after(now.replace(year=2036))
    certificate = made.sign(key, hashes.SHA256())
    wrapped = pkcs12.serialize_key_and_certificates(name.encode(), key, certificate, None, serialization.BestAvailableEncryption(b"test"))
    return wrapped, certificate.public_bytes(serialization.Encoding.PEM)


def parties(us: tuple[bytes, bytes], our_name: str, them: tuple[bytes, bytes], their_name: str) -> tuple[Organization, Partner]:
    ours = Organization(as2_name=our_name, sign_key=us[0], sign_key_pass="test", decrypt_key=us[0], decrypt_key_pass="test")  # noqa: S106
    theirs = Partner(
        as2_name=their_name, verify_cert=them[1], encrypt_cert=them[1], validate_certs=False, sign=True, encrypt=True,
        digest_alg="sha256", enc_alg="aes_256_cbc", mdn_mode="SYNC", mdn_digest_alg="sha256",
    )  # fmt: skip
    return ours, theirs


def serve(keys: list[tuple[bytes, bytes]], out: object) -> None:
    """The receiver, in a process of its own."""
    ours, theirs = parties(keys[1], "b", keys[0], "a")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            headers = "".join(f"{name}: {value}\n" for name, value in self.headers.items()).encode()
            content = headers + b"\n" + self.rfile.read(int(self.headers["Content-Length"]))
            status, _, mdn = Message().parse(content, lambda _: ours, lambda _: theirs, lambda *_: False)
            good = status == "processed"
            answer = mdn.content
            self.send_response(200 if good else 500)
            for name, value in mdn.headers.items():
                self.send_header(name, value.replace("\n", ""))
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    out.put(server.server_address[1])
    server.serve_forever()


def send(port: int, count: int, ours: Organization, theirs: Partner, good: list[int]) -> None:
    """One session."""
    connection = HTTPConnection("127.0.0.1", port)
    for _ in range(count):
        message = Message(ours, theirs)
        message.build(os.urandom(BODY // 2).hex().encode(), filename="a.txt", content_type="application/octet-stream")
        connection.request("POST", "/", message.content, {name: value.replace("\n", "") for name, value in message.headers.items()})
        answer = connection.getresponse()
        raw = "".join(f"{name}: {value}\n" for name, value in answer.getheaders()).encode() + b"\n" + answer.read()
        status, _ = Mdn().parse(raw, lambda *_, made=message: made)
        good.append(status == "processed")


def measure(messages: int, sessions: int) -> dict[str, float]:
    """Messages per second from the first signature to the last verified MDN."""
    keys = [make_key("a"), make_key("b")]
    context = multiprocessing.get_context("spawn")
    out = context.Queue()
    server = context.Process(target=serve, args=(keys, out), daemon=True)
    server.start()
    port = out.get(timeout=30)
    ours, theirs = parties(keys[0], "a", keys[1], "b")
    good: list[int] = []
    share = messages // sessions
    threads = [threading.Thread(target=send, args=(port, share, ours, theirs, good)) for _ in range(sessions)]
    began = time.perf_counter()
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    took = time.perf_counter() - began
    server.terminate()
    server.join()
    rate = round(sum(good) / took, 1)
    return {"messages_per_second": rate, "messages": sum(good), "lost": share * sessions - sum(good), "sessions": sessions}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--messages", type=int, default=100)
    parser.add_argument("--sessions", type=int, default=1)
    options = parser.parse_args()
    print(json.dumps(measure(options.messages, options.sessions)))
