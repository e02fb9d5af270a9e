"""What the cases are made of: keys, a small log, lines and notes, the clauses, and the signatures once made."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from protocol import cosignature
from protocol.canonical import to_base64
from protocol.vkey import COSIGNATURE_ED25519, COSIGNATURE_MLDSA44, ED25519, Signature
from tests.protocol.c2sp import ORIGIN, TIME, Pair, Tree

VECTORS = Path(__file__).parents[1]
SIGNATURES = VECTORS / "c2sp.signatures"
WITNESS = "example.org/xb-ca/witness"
OTHER_ORIGIN = "example.org/xa-ca/log/2"
TREE = Tree([b"entry %d" % i for i in range(13)])
TEXT = TREE.checkpoint().text()

NOTE = "C2SP signed-note, Format"
SIGNERS = "C2SP signed-note, Signatures"
COSIGNATURE = "C2SP tlog-cosignature, Format"
CHECKPOINT = "C2SP tlog-checkpoint, Note text"
PROOF = "C2SP tlog-proof, Format"
POLICY = "C2SP tlog-policy, Policy file syntax and structure"
OURS = "SPEC.md 3.3"


@dataclass(frozen=True, slots=True)
class Case:
    """One vector: its path without ending, the expected code or ok, the clause, what it is, its bytes, for policies a head."""

    name: str
    expect: str
    spec: str
    note: str
    data: bytes
    head: str | None = None

    @property
    def path(self) -> str:
        return f"{self.name}.{'ok' if self.expect == 'ok' else 'fail'}"

    def file(self) -> bytes:
        head = f"head: {self.head}\n" if self.head else ""
        return f"expect: {self.expect}\nspec: {self.spec}\nnote: {self.note}\n{head}\n".encode() + self.data


_signatures = dict(line.split(" ") for line in SIGNATURES.read_text().splitlines()) if SIGNATURES.exists() else {}


def keep_signatures() -> None:
    """Write down every ML-DSA-44 signature made or used, so that the next run makes the same bytes."""
    SIGNATURES.write_text("".join(f"{digest} {signature}\n" for digest, signature in sorted(_signatures.items())))


class Signer(Pair):
    """A pair of keys that signs the same message in the same way every time the vectors are made."""

    def sign_mldsa44(self, message: bytes) -> bytes:
        digest = sha256(self.mldsa44 + message).hexdigest()
        if digest not in _signatures:
            _signatures[digest] = to_base64(super().sign_mldsa44(message))
        return base64.b64decode(_signatures[digest])


LOG, OTHER, W = Signer("log"), Signer("stranger"), Signer("witness")
WITNESSES = (W.vkey(WITNESS, COSIGNATURE_MLDSA44), W.vkey(WITNESS, COSIGNATURE_ED25519))


def plain(text: bytes, name: str = ORIGIN, signer: Pair = LOG) -> Signature:
    """A 0x01 line over any text."""
    return signer.line(name, ED25519, text)


def mldsa(size: int = 13, root: bytes = TREE.root, origin: str = ORIGIN, name: str = ORIGIN, signer: Pair = LOG) -> Signature:
    """A 0x06 line over these fields, whatever the text beside it says."""
    message = cosignature.message_0x06(name, TIME, origin, 0, size, root)
    return Signature(name, signer.vkey(name, COSIGNATURE_MLDSA44).key_id, cosignature.pack(TIME, signer.sign_mldsa44(message)))


def at_time(line: Signature, time_s: int) -> Signature:
    return Signature(line.name, line.key_id, time_s.to_bytes(8, "big") + line.blob[8:])


def spoiled(line: Signature) -> Signature:
    return Signature(line.name, line.key_id, line.blob[:-1] + bytes((line.blob[-1] ^ 1,)))


def note_of(text: bytes, *lines: Signature | str) -> bytes:
    """Text and lines put together without any check."""
    return text + b"\n" + "".join(f"{line}\n" for line in lines).encode()


def swap(data: bytes, old: bytes | str, new: bytes | str) -> bytes:
    """Put ``new`` in the place of ``old``, which must stand there exactly once."""
    old, new = (x.encode() if isinstance(x, str) else x for x in (old, new))
    assert data.count(old) == 1, (old, data.count(old))
    return data.replace(old, new)


COSIGNED_4 = W.cosign(WITNESS, COSIGNATURE_ED25519, TREE.checkpoint())
COSIGNED_6 = mldsa(name=WITNESS, signer=W)
HEAD = note_of(TEXT, plain(TEXT), mldsa())
