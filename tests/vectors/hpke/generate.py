"""Make the vectors of this folder anew: ``python -m tests.vectors.hpke.generate PROGRAM``.

PROGRAM is tests/interop/go/suite1, built.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from base64 import b64decode, b64encode
from pathlib import Path

from keys.suite import SUITE, PrekeySecret, prekey_id
from protocol import limits
from protocol.body import Addressing, Letter, encode_body
from protocol.entries import Lane
from protocol.envelope import SECRET, build_envelope, wrap_info
from protocol.names import Office
from protocol.parts import BODY_MEDIA_TYPE, PartName, seal_part

CREATED = 1_795_500_000_000
# length of the form: around the steps of the padding and of Cobblestone's chunks
FORMS = [0, 1, 7, 8, 9, 23, 24, 100, 255, 256, 1_000, 4_096, 100, 100, 100, 100, 100, 100, 100, 100, 16_000, 16_384, 33_000]


def main(program: str) -> None:
    """Write one file per length in ``FORMS``."""
    for number, length in enumerate(FORMS, 1):
        path = Path(__file__).parent / f"letter-{number:02}.json"
        path.write_text(json.dumps(_letter(program, number, length), indent=1) + "\n", "utf-8")


def _letter(program: str, number: int, length: int) -> dict[str, str]:
    network_id, message_id, secret, seed = (os.urandom(size) for size in (32, 16, SECRET, 32))
    recipients = tuple(f"x{letter}-ca" for letter in "bcdefgh"[: 1 + number % 7])
    recipient = recipients[number % len(recipients)]
    lane = Lane.URGENT if number % 2 else Lane.ROUTINE
    addressing = Addressing(network_id, message_id, "xa-ca", recipients, CREATED, CREATED + number * limits.HOUR, int(lane))
    to = tuple(Office(authority, "247") for authority in recipients)
    letter = encode_body(addressing, Letter("247", to, "EE_PRESERVE", b"x" * length, (), message_id, 1))
    body, head = seal_part(SUITE, PartName(network_id, message_id, 0), secret[:32], secret[32:], BODY_MEDIA_TYPE, letter)
    envelope = build_envelope(
        network_id=network_id,
        message_id=message_id,
        sender="xa-ca",
        recipients=recipients,
        created=CREATED,
        expires=addressing.expires,
        lane=lane,
        part_heads=(head,),
    )
    public = PrekeySecret(seed).public
    by_us = SUITE.seal(public, wrap_info(envelope.raw, recipient, prekey_id(public)), secret)
    by_go = _wrapped_by_go(program, {"Public": public, "Envelope": envelope.raw, "Plaintext": secret}, recipient)
    fields = {
        "seed": seed, "prekey_id": prekey_id(public), "envelope": envelope.raw, "secret": secret, "wrap_by_us": by_us,
        "wrap_by_go": by_go, "body": body, "letter": letter,
    }  # fmt: skip
    return {"recipient": recipient} | {field: b64encode(value).decode() for field, value in fields.items()}


def _wrapped_by_go(program: str, fields: dict[str, bytes], recipient: str) -> bytes:
    question = {"Do": "wrap", "Recipient": recipient} | {field: b64encode(value).decode() for field, value in fields.items()}
    ran = subprocess.run([program], input=json.dumps([question]).encode(), capture_output=True, check=True)
    (answer,) = json.loads(ran.stdout)
    if answer["Error"]:
        raise SystemExit(answer["Error"])
    return b64decode(answer["Bytes"])


if __name__ == "__main__":
    main(sys.argv[1])
