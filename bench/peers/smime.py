"""The peer that offices use today: signed and encrypted mail of 4 KiB between two Postfix instances on this machine.

    python bench/peers/smime.py --messages 400 --sessions 8        as root; needs postfix, cryptography and asn1crypto

Each message: signed (ECDSA P-256) and encrypted (AES-256, to RSA-2048) in process, given to the first Postfix over one of so many SMTP
sessions, relayed to the second, delivered to a Maildir; there a reader decrypts it and verifies the signature. A message counts when
its content came out verified. In the peer's favour: no TLS, no receipt, no log. Both Postfix work in a temporary folder, with
their own queues and ports; nothing of the system's is touched. Last line: one JSON object.
"""

from __future__ import annotations

import argparse
import datetime as dt
import email
import hashlib
import json
import multiprocessing
import os
import pwd
import shutil
import smtplib
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from asn1crypto import cms
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509.oid import NameOID

BODY = 4096
WAIT = 120  # seconds for the last message
SERVICES = """
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


class Postfix:
    """One instance in a folder of its own, from start to stop."""

    def __init__(self, folder: Path, port: int, settings: dict[str, str]) -> None:
        self.folder, self.config = folder, folder / "config"
        user = pwd.getpwnam("postfix")
        for name in ("config", "queue", "data", "log"):
            (folder / name).mkdir(parents=True)
        os.chown(folder / "data", user.pw_uid, user.pw_gid)
        common = {
            "compatibility_level": "3.6", "queue_directory": folder / "queue", "data_directory": folder / "data",
            "mail_owner": "postfix", "setgid_group": "postdrop", "command_directory": "/usr/sbin",
            "daemon_directory": "/usr/lib/postfix/sbin", "myhostname": f"p{port}.example", "mydestination": "",
            "inet_interfaces": "127.0.0.1", "inet_protocols": "ipv4", "mynetworks": "127.0.0.0/8", "alias_maps": "",
            "local_recipient_maps": "", "smtp_dns_support_level": "disabled", "smtpd_client_connection_count_limit": "0",
            "smtpd_peername_lookup": "no", "maillog_file": folder / "log/mail", "maillog_file_prefixes": folder,
            "default_destination_concurrency_limit": "20", "initial_destination_concurrency": "20",
        }  # fmt: skip
        lines = {**common, **settings}
        (self.config / "main.cf").write_text("".join(f"{name} = {value}\n" for name, value in lines.items()))
        (self.config / "master.cf").write_text(f"127.0.0.1:{port} inet n - n - 100 smtpd\n{SERVICES.lstrip()}")
        self.run("start")

    def run(self, word: str) -> None:
        subprocess.run(["/usr/sbin/postfix", "-c", str(self.config), word], check=True, capture_output=True)

    def stop(self) -> None:
        subprocess.run(["/usr/sbin/postfix", "-c", str(self.config), "stop"], check=False, capture_output=True)


def make_key(name: str, key: object) -> tuple[object, x509.Certificate]:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime(2026, 1, 1)  # noqa: DTZ001 - cryptography takes it for UTC
    made = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    made = made.serial_number(x509.random_serial_number()).not_valid_before(now).not_valid_after(now.replace(year=2036))
    return key, made.sign(key, hashes.SHA256())


def seal(body: bytes, signer: tuple, recipient: x509.Certificate) -> bytes:
    """Sign, then encrypt: what goes into the mail."""
    signed = pkcs7.PKCS7SignatureBuilder().set_data(body).add_signer(signer[1], signer[0], hashes.SHA256())
    inner = signed.sign(serialization.Encoding.DER, [pkcs7.PKCS7Options.Binary])
    envelope = pkcs7.PKCS7EnvelopeBuilder().set_data(inner).add_recipient(recipient)
    envelope = envelope.set_content_encryption_algorithm(AES256)
    return envelope.encrypt(serialization.Encoding.SMIME, [pkcs7.PKCS7Options.Binary])


def open_and_verify(raw: bytes, recipient: tuple, signer: x509.Certificate) -> bytes:
    """The body, decrypted, its digest and its signature checked. Raises when either is not good."""
    der = email.message_from_bytes(raw).get_payload(decode=True)
    inner = pkcs7.pkcs7_decrypt_der(der, recipient[1], recipient[0], [])
    signed = cms.ContentInfo.load(inner)["content"]
    info = signed["signer_infos"][0]
    body = signed["encap_content_info"]["content"].native
    attributes = info["signed_attrs"]
    digest = next(each["values"][0].native for each in attributes if each["type"].native == "message_digest")
    if digest != hashlib.sha256(body).digest():
        raise ValueError("another content than was signed")
    signer.public_key().verify(info["signature"].native, attributes.untag().dump(), ec.ECDSA(hashes.SHA256()))
    return body


def send(port: int, first: int, count: int, signer: bytes, recipient: bytes, go: object, out: object) -> None:
    """One session: sign, encrypt, hand over, so often."""
    key = serialization.load_der_private_key(signer[0], None)
    certificate = x509.load_der_x509_certificate(signer[1])
    to = x509.load_der_x509_certificate(recipient)
    with smtplib.SMTP("127.0.0.1", port, local_hostname="bench.example") as session:
        go.wait()
        for number in range(first, first + count):
            mail = b"From: a@a.example\r\nTo: b@b.example\r\nMIME-Version: 1.0\r\n"
            sealed = seal(number.to_bytes(8, "big") + os.urandom(BODY - 8), (key, certificate), to)
            session.sendmail("a@a.example", ["b@b.example"], mail + sealed.removeprefix(b"MIME-Version: 1.0\n").replace(b"\n", b"\r\n"))
    out.put(count)


def read(maildir: Path, count: int, recipient: tuple[bytes, bytes], signer: bytes, out: object) -> None:
    """Open and verify what is delivered, as it comes; when the last was good."""
    key = serialization.load_der_private_key(recipient[0], None), x509.load_der_x509_certificate(recipient[1])
    certificate = x509.load_der_x509_certificate(signer)
    seen: set[bytes] = set()
    deadline = time.perf_counter() + WAIT
    while len(seen) < count and time.perf_counter() < deadline:
        found = list((maildir / "new").iterdir()) if (maildir / "new").exists() else []
        for path in found:
            seen.add(open_and_verify(path.read_bytes(), key, certificate)[:8])
            path.unlink()
        if not found:
            time.sleep(0.005)
    out.put((len(seen), time.perf_counter()))


def free_port() -> int:
    with socket.socket() as tried:
        tried.bind(("127.0.0.1", 0))
        return tried.getsockname()[1]


def measure(messages: int, sessions: int) -> dict[str, float]:
    """Messages per second from the first signature to the last verified content."""
    folder = Path(tempfile.mkdtemp(prefix="smime-peer-"))
    folder.chmod(0o755)
    user = pwd.getpwnam("postfix")
    mail = folder / "mail"
    mail.mkdir()
    os.chown(mail, user.pw_uid, user.pw_gid)
    signer, recipient = make_key("a", ec.generate_private_key(ec.SECP256R1())), make_key("b", rsa.generate_private_key(65537, 2048))
    form = serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    keys = [(key.private_bytes(*form), certificate.public_bytes(serialization.Encoding.DER)) for key, certificate in (signer, recipient)]
    ports = free_port(), free_port()
    instances: list[Postfix] = []
    try:
        ids = f"static:{user.pw_uid}", f"static:{user.pw_gid}"
        instances.append(Postfix(folder / "b", ports[1], {
            "virtual_mailbox_domains": "b.example", "virtual_mailbox_maps": "static:b/", "virtual_mailbox_base": str(mail),
            "virtual_uid_maps": ids[0], "virtual_gid_maps": ids[1], "virtual_minimum_uid": "1", "relayhost": "",
        }))  # fmt: skip
        instances.append(Postfix(folder / "a", ports[0], {"relayhost": f"[127.0.0.1]:{ports[1]}"}))
        context = multiprocessing.get_context("spawn")
        go, out, done = context.Event(), context.Queue(), context.Queue()
        share = messages // sessions
        senders = [context.Process(target=send, args=(ports[0], i * share, share, keys[0], keys[1][1], go, out)) for i in range(sessions)]
        reader = context.Process(target=read, args=(mail / "b", share * sessions, keys[1], keys[0][1], done))
        for each in (reader, *senders):
            each.start()
        time.sleep(2 + sessions / 8)  # until all have begun their session
        began = time.perf_counter()
        go.set()
        count, ended = done.get(timeout=WAIT + 30)
        for each in (reader, *senders):
            each.join(30)
    finally:
        for instance in instances:
            instance.stop()
        shutil.rmtree(folder, ignore_errors=True)
    rate = round(count / (ended - began), 1)
    return {"messages_per_second": rate, "messages": count, "lost": share * sessions - count, "sessions": sessions}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--messages", type=int, default=400)
    parser.add_argument("--sessions", type=int, default=8)
    options = parser.parse_args()
    print(json.dumps(measure(options.messages, options.sessions)))
