"""Cases of envelopes (SPEC.md 3.5)."""

from __future__ import annotations

from protocol import cbor, limits
from protocol.envelope import LABEL
from protocol.parts import sealed_length
from tests.vectors.formats.case import CREATED, EXPIRES, HASH, MESSAGE, NETWORK, RECIPIENT, SENDER, THIRD, Case

SPEC = "SPEC.md 3.5"
BODY: list[cbor.Value] = [sealed_length(1000), HASH, b"c" * 32]
FIELDS: dict[int, cbor.Value] = {
    0: NETWORK, 1: 1, 2: MESSAGE, 3: SENDER, 4: [RECIPIENT], 5: CREATED, 6: EXPIRES, 7: 0, 8: [BODY],
}  # fmt: skip
_names: list[cbor.Value] = [f"x{i:02}-ca" for i in range(33)]


def envelope(label: str = LABEL, **fields: cbor.Value) -> bytes:
    """The good envelope with fields (f0 to f8, or any other) changed; None leaves one out."""
    table = {**FIELDS, **{int(key[1:]): value for key, value in fields.items()}}
    return cbor.encode([label, {key: value for key, value in table.items() if value is not None}])  # type: ignore[redundant-expr]


def part(plaintext: int) -> list[cbor.Value]:
    return [sealed_length(plaintext), HASH, b"c" * 32]


_good = {
    "example": ("one recipient, one part", envelope()),
    "two-recipients": ("sorted", envelope(f4=[RECIPIENT, THIRD])),
    "32-recipients": ("as many as the limit", envelope(f4=_names[:32])),
    "evidence": ("three parts", envelope(f8=[BODY, part(0), part(200 * limits.MiB)])),
    "512-parts": ("as many as the limit", envelope(f8=[BODY] * 512)),
    "largest-body": ("a body of 1 MiB", envelope(f8=[part(limits.BODY)])),
    "largest-part": ("a part of 32 GiB", envelope(f8=[BODY, part(limits.PART)])),
    "urgent": ("a body of 256 KiB alone", envelope(f7=1, f8=[part(limits.URGENT_MESSAGE)])),
    "30-days": ("as long as the limit", envelope(f6=CREATED + limits.TTL)),
    "suite-2": ("SIG-24: parses; check 7 refuses it", envelope(f1=2)),
}
_form = {
    "other-label": ("SIG-16: another kind of object", envelope("rogatory/fork/v1")),
    "no-label": ("the map alone", cbor.encode(FIELDS)),
    "three-members": ("something after the map", cbor.encode([LABEL, FIELDS, 0])),
    "key-9": ("ENV-17: an unknown field", envelope(f9=0)),
    **{f"no-key-{i}": ("ENV-18: a field is missing", envelope(**{f"f{i}": None})) for i in range(9)},  # type: ignore[arg-type]
    "network-31": ("an id cut short", envelope(f0=NETWORK[:31])),
    "network-text": ("ENV-19", envelope(f0="n" * 32)),
    "suite-text": ("ENV-19", envelope(f1="1")),
    "message-id-15": ("ENV-24", envelope(f2=MESSAGE[:15])),
    "message-id-17": ("ENV-24", envelope(f2=MESSAGE + b"x")),
    "message-id-zero": ("ENV-24", envelope(f2=bytes(16))),
    "sender-bytes": ("ENV-19", envelope(f3=b"xa-ca")),
    "sender-two-dots": ("no name of an authority", envelope(f3="xa..ca")),
    "recipients-text": ("ENV-19", envelope(f4=RECIPIENT)),
    "recipients-text-of-names": ("ENV-19: each letter could be a name", envelope(f4="ab")),
    "recipient-upper-case": ("no name of an authority", envelope(f4=["XB-CA"])),
    "created-true": ("ENV-19: true is not 1", envelope(f5=True)),
    "created-negative": ("TIM-5", envelope(f5=-1)),
    "expires-2-to-63": ("TIM-5", envelope(f6=2**63)),
    "lane-2": ("no such lane", envelope(f7=2)),
    "lane-false": ("ENV-19: false is not 0", envelope(f7=False)),
    "parts-a-map": ("ENV-19", envelope(f8={})),
    "part-of-two": ("a part without its commitment", envelope(f8=[BODY[:2]])),
    "part-digest-31": ("a digest cut short", envelope(f8=[[BODY[0], HASH[:31], HASH]])),
    "part-length-negative": ("ENV-23", envelope(f8=[[-1, HASH, HASH]])),
}
_other = {
    "no-recipients": ("ENVELOPE-RECIPIENTS", "ENV-21", envelope(f4=[])),
    "33-recipients": ("ENVELOPE-RECIPIENTS", "ENV-21", envelope(f4=_names)),
    "recipient-twice": ("ENVELOPE-RECIPIENTS", "ENV-21", envelope(f4=[RECIPIENT, RECIPIENT])),
    "recipients-unsorted": ("ENVELOPE-RECIPIENTS", "ENV-21", envelope(f4=[THIRD, RECIPIENT])),
    "no-parts": ("ENVELOPE-PARTS", "ENV-22", envelope(f8=[])),
    "513-parts": ("ENVELOPE-PARTS", "ENV-22", envelope(f8=[BODY] * 513)),
    "part-too-long": ("ENVELOPE-PARTS", "ENV-23: one byte of plaintext more", envelope(f8=[BODY, part(limits.PART + (1 << 33))])),
    "body-too-long": ("ENVELOPE-PARTS", "a body beyond 1 MiB", envelope(f8=[part(limits.BODY + (1 << 17))])),
    "parts-together": ("ENVELOPE-PARTS", "ENV-23: five of the largest", envelope(f8=[BODY, *[part(limits.PART)] * 5])),
    "length-2-to-62": ("ENVELOPE-PARTS", "ENV-23", envelope(f8=[BODY, [2**62, HASH, HASH]])),
    "length-unpadded": ("ENVELOPE-PARTS", "no padded plaintext is that long", envelope(f8=[[sealed_length(1000) + 1, HASH, HASH]])),
    "expires-at-created": ("ENVELOPE-TIMES", "TIM-5", envelope(f6=CREATED)),
    "expires-before-created": ("ENVELOPE-TIMES", "TIM-5", envelope(f6=CREATED - 1)),
    "30-days-and-1-ms": ("ENVELOPE-TIMES", "TIM-4", envelope(f6=CREATED + limits.TTL + 1)),
    "urgent-two-parts": ("URGENT-SIZE", "an urgent message is its body", envelope(f7=1, f8=[BODY, BODY])),
    "urgent-too-long": ("URGENT-SIZE", "URG-5", envelope(f7=1, f8=[part(limits.URGENT_MESSAGE + (1 << 15))])),
    "trailing-byte": ("CBOR-FORM", "ENV-3", envelope() + b"\0"),
    "cut-short": ("CBOR-FORM", "ENV-2", envelope()[:-1]),
    "too-long": ("ENVELOPE-SIZE", "ENV-20: 64 KiB and a byte", bytes(limits.ENVELOPE + 1)),
}

CASES = (
    *(Case(f"envelope/{name}", "ok", SPEC, note, data) for name, (note, data) in _good.items()),
    *(Case(f"envelope/{name}", "ENVELOPE-FORM", SPEC, note, data) for name, (note, data) in _form.items()),
    *(Case(f"envelope/{name}", code, SPEC, note, data) for name, (code, note, data) in _other.items()),
)
