"""The envelope: who asks whom, until when, in how many parts; its SHA-256 is the message's name for ever.

    ["rogatory/envelope/v1", {0: network id, 1: suite, 2: message id, 3: "xa-ca", 4: ["xb-ca"], 5: created, 6: expires,
                              7: lane, 8: [[ciphertext length, SHA-256(ciphertext), commitment], ...]}]

Everything private lives in the parts. The wrap that opens them is made when the envelope is sent and is not in it, so hash,
id, proof of submission and duplicate check outlive every prekey. (SPEC.md section 3.5)
"""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import dataclass
from typing import cast

from protocol import cbor, codes, limits, names, parts
from protocol.entries import Lane
from protocol.errors import ProtocolError

LABEL = "rogatory/envelope/v1"
WRAP_LABEL = "rogatory/wrap/v1"
SUITE_1 = 1
SECRET = 96  # CEK (32) || r (64)


@dataclass(frozen=True, slots=True)
class Envelope:
    """An envelope as parsed, with its bytes as carried. Times in ms."""

    network_id: bytes
    suite: int
    message_id: bytes
    sender: str
    recipients: tuple[str, ...]
    created: int
    expires: int
    lane: Lane
    parts: tuple[parts.PartHead, ...]
    raw: bytes
    hash: bytes


def wrap_info(envelope: bytes, recipient: str, prekey_id: bytes) -> bytes:
    """HPKE's ``info``: binds the wrap to this envelope (its bytes), this recipient and this prekey."""
    return cbor.encode([WRAP_LABEL, hashlib.sha512(envelope).digest(), recipient, prekey_id])


def build_envelope(
    *,
    network_id: bytes,
    message_id: bytes,
    sender: str,
    recipients: tuple[str, ...],
    created: int,
    expires: int,
    lane: Lane,
    part_heads: tuple[parts.PartHead, ...],
) -> Envelope:
    """A new envelope. Raises what ``parse_envelope`` would raise: nothing leaves that we would not take."""
    heads: list[cbor.Value] = [[part.length, part.digest, part.commitment] for part in part_heads]
    fields: dict[int, cbor.Value] = {
        0: network_id, 1: SUITE_1, 2: message_id, 3: sender, 4: list(recipients), 5: created, 6: expires, 7: int(lane), 8: heads,
    }  # fmt: skip
    return _check(cbor.encode([LABEL, fields]), [LABEL, fields])


def parse_envelope(raw: bytes) -> Envelope:
    """The envelope that these bytes are. Raises ENVELOPE-SIZE, CBOR-FORM, ENVELOPE-FORM, -RECIPIENTS, -PARTS, -TIMES, URGENT-SIZE."""
    if len(raw) > limits.ENVELOPE:
        raise ProtocolError(codes.ENVELOPE_SIZE, f"{len(raw)} bytes")
    return _check(raw, cbor.decode(raw))


def _check(raw: bytes, value: cbor.Value) -> Envelope:
    """The envelope that is this value, whose encoding is ``raw``."""
    if len(raw) > limits.ENVELOPE:
        raise ProtocolError(codes.ENVELOPE_SIZE, f"{len(raw)} bytes")
    if type(value) is not list or len(value) != 2 or value[0] != LABEL or type(value[1]) is not dict:
        raise _form("label")
    table = cast("dict[int, cbor.Value]", value[1])
    if list(table) != list(range(9)):
        raise _form("keys")
    suite = _uint(table[1], "suite")
    created, expires = _times(table[5], table[6])
    lane = table[7]
    if type(lane) is not int or lane not in (0, 1):
        raise _form("lane")
    part_heads = _part_heads(table[8])
    if lane == Lane.URGENT and (len(part_heads) > 1 or part_heads[0].length > parts.sealed_length(limits.URGENT_MESSAGE)):
        raise ProtocolError(codes.URGENT_SIZE, f"{len(part_heads)} parts")
    message_id = _bytes(table[2], 16, "message id")
    if message_id == bytes(16):
        raise _form("message id")
    return Envelope(
        network_id=_bytes(table[0], 32, "network id"),
        suite=suite,
        message_id=message_id,
        sender=_authority(table[3]),
        recipients=_recipients(table[4]),
        created=created,
        expires=expires,
        lane=Lane(lane),
        parts=part_heads,
        raw=raw,
        hash=hashlib.sha256(raw).digest(),
    )


def _form(field: str) -> ProtocolError:
    return ProtocolError(codes.ENVELOPE_FORM, field)


def _uint(value: cbor.Value, field: str) -> int:
    if type(value) is not int or not 0 <= value < 2**63:
        raise _form(field)
    return value


def _bytes(value: cbor.Value, size: int, field: str) -> bytes:
    if type(value) is not bytes or len(value) != size:
        raise _form(field)
    return value


def _authority(value: cbor.Value) -> str:
    if type(value) is not str:
        raise _form("authority")
    try:
        return names.parse_authority(value)
    except ProtocolError:
        raise _form("authority") from None


def _recipients(value: cbor.Value) -> tuple[str, ...]:
    if type(value) is not list:
        raise _form("recipients")
    if not 1 <= len(value) <= limits.RECIPIENTS:
        raise ProtocolError(codes.ENVELOPE_RECIPIENTS, f"{len(value)} of them")
    recipients = tuple(_authority(item) for item in value)
    if any(a >= b for a, b in itertools.pairwise(recipients)):
        raise ProtocolError(codes.ENVELOPE_RECIPIENTS, "not sorted, or one twice")
    return recipients


def _times(created: cbor.Value, expires: cbor.Value) -> tuple[int, int]:
    first, last = _uint(created, "created"), _uint(expires, "expires")
    if not 0 < last - first <= limits.TTL:
        raise ProtocolError(codes.ENVELOPE_TIMES, f"{last - first} ms")
    return first, last


def _part_heads(value: cbor.Value) -> tuple[parts.PartHead, ...]:
    if type(value) is not list:
        raise _form("parts")
    if not 1 <= len(value) <= limits.PARTS:
        raise ProtocolError(codes.ENVELOPE_PARTS, f"{len(value)} of them")
    heads = []
    for item in value:
        if type(item) is not list or len(item) != 3:
            raise _form("part")
        length = _uint(item[0], "part length")
        heads.append(parts.PartHead(length, _bytes(item[1], 32, "part digest"), _bytes(item[2], 32, "part commitment")))
    if heads[0].length > parts.sealed_length(limits.BODY) or any(
        head.length > parts.sealed_length(limits.PART) or not parts.is_sealed_length(head.length) for head in heads
    ):
        raise ProtocolError(codes.ENVELOPE_PARTS, "a part's length")
    if sum(head.length for head in heads) > limits.MESSAGE:
        raise ProtocolError(codes.ENVELOPE_PARTS, "all parts together")
    return tuple(heads)
