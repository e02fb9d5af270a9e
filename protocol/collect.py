"""Collecting: how an authority that nobody can call gets its pouches, over connections that it opened itself.

    call     = u32be(length of C) || C || F
    C        = {0: lane, 1: seconds to wait, 2: SHA-256 of the pouch collected last?, 3: [status, code, seconds, size?] if it was refused?}
    F        = the answer to that pouch, a frame of its own; nothing when it was refused, or when there was none
    answered   the next pouch of that lane (a frame), or nothing

It is ``POST /v1/pouch`` turned round: what the recipient would have answered comes with its next call. (SPEC.md section 3.10)
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from protocol import cbor, codes, limits
from protocol.entries import Lane
from protocol.errors import ProtocolError


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a pouch was not taken: what its answer's HTTP status, code, Retry-After (0: none) and size (409) would have been."""

    status: int
    code: str
    seconds: int
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Collect:
    """One call. ``pouch``: SHA-256 of the frame collected last, with its ``answer`` or its ``refusal``; all empty at first."""

    lane: Lane
    wait: int
    pouch: bytes = b""
    answer: bytes = b""
    refusal: Refusal | None = None


def pouch_id(frame: bytes) -> bytes:
    """What a collected pouch is called: SHA-256 of its frame."""
    return sha256(frame).digest()


def encode_collect(call: Collect) -> bytes:
    """The body of a call."""
    table: dict[int, cbor.Value] = {0: int(call.lane), 1: call.wait}
    if call.pouch:
        table[2] = call.pouch
    if call.refusal is not None:
        told: list[cbor.Value] = [call.refusal.status, call.refusal.code, call.refusal.seconds]
        table[3] = told if call.refusal.size is None else [*told, call.refusal.size]
    raw = cbor.encode(table)
    return len(raw).to_bytes(4, "big") + raw + call.answer


def parse_collect(data: bytes) -> Collect:
    """A call from its whole body. Raises COLLECT-FORM. The answer in it is not looked at."""
    size = int.from_bytes(data[:4], "big")
    if size > limits.COLLECT_HEAD or len(data) < 4 + size:
        raise _form("length")
    try:
        table = cbor.decode(data[4 : 4 + size])
    except ProtocolError as error:
        raise _form(error.detail) from None
    if type(table) is not dict or not {0, 1} <= set(table) <= {0, 1, 2, 3}:
        raise _form("keys")
    lane, wait = _int(table[0], 0, 1), _int(table[1], 0, limits.COLLECT_WAIT)
    pouch, answer = table.get(2, b""), data[4 + size :]
    if type(pouch) is not bytes or (2 in table and len(pouch) != 32):
        raise _form("pouch")
    refusal = _refusal(table[3]) if 3 in table else None
    if bool(answer) + (refusal is not None) != bool(pouch):
        raise _form("a pouch has an answer or a refusal")
    return Collect(Lane(lane), wait, pouch, answer, refusal)


def _refusal(value: cbor.Value) -> Refusal:
    if type(value) is not list or len(value) not in (3, 4):
        raise _form("refusal")
    code = value[1]
    if type(code) is not str or not 0 < len(code) <= 64 or not code.isascii() or not code.isprintable():
        raise _form("code")
    size = _int(value[3], 0, 2**63 - 1) if len(value) == 4 else None
    return Refusal(_int(value[0], 400, 599), code, _int(value[2], 0, limits.COLLECT_LATER), size)


def _int(value: cbor.Value, least: int, most: int) -> int:
    if type(value) is not int or not least <= value <= most:
        raise _form("number")
    return value


def _form(detail: str) -> ProtocolError:
    return ProtocolError(codes.COLLECT_FORM, detail)
