"""C2SP tlog-cosignature: timestamped signatures over checkpoints, 0x04 (Ed25519) and 0x06 (ML-DSA-44).

A signature line carries ``u64 seconds || signature``. What is signed:

    0x04   "cosignature/v1\\ntime <seconds>\\n" || the note's text
    0x06   "subtree/v1\\n\\0" || u8len name || u64 seconds || u8len origin || u64 start || u64 end || root

Only whole trees are signed and read here (start 0), and no time is zero: a line says when it was made. Seconds, not
milliseconds: the specification's unit, here and in a head only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from protocol import codes
from protocol.canonical import MAX_NUMBER
from protocol.errors import ProtocolError
from protocol.ports import Verifier
from protocol.treehead import Checkpoint, parse_checkpoint
from protocol.vkey import COSIGNATURE_ED25519, COSIGNATURE_MLDSA44, Signature, VKey

MAX_TIME: Final = MAX_NUMBER  # seconds

_TIME: Final = 8  # bytes
_SIZES: Final = {COSIGNATURE_ED25519: 64, COSIGNATURE_MLDSA44: 2420}


def message_0x04(time_s: int, text: bytes) -> bytes:
    """What a 0x04 line signs. It does not cover the signer's name. Raises NOTE-TIME."""
    return b"cosignature/v1\ntime %d\n" % _time(time_s) + text


def message_0x06(name: str, time_s: int, origin: str, start: int, end: int, root: bytes) -> bytes:
    """What a 0x06 line signs: the signer's name, the time, and the tree of ``end`` leaves.

    Raises NOTE-TIME, and NOTE-SUBTREE when start is not 0: we make no statement about parts of a tree (LOG-14).
    """
    if start != 0:
        raise ProtocolError(codes.NOTE_SUBTREE, f"start {start}")
    return b"".join(
        (
            b"subtree/v1\n\0",
            _short(name.encode()),
            _time(time_s).to_bytes(8, "big"),
            _short(origin.encode()),
            start.to_bytes(8, "big"),
            end.to_bytes(8, "big"),
            root,
        )
    )


def pack(time_s: int, signature: bytes) -> bytes:
    """A line's content after the key id. Raises NOTE-TIME."""
    return _time(time_s).to_bytes(_TIME, "big") + signature


def unpack(blob: bytes) -> tuple[int, bytes]:
    """(seconds, signature) of a line's content after the key id. Raises NOTE-FORM and NOTE-TIME."""
    if len(blob) - _TIME not in _SIZES.values():
        raise ProtocolError(codes.NOTE_FORM, f"{len(blob)} bytes are not a time and a signature")
    return _time(int.from_bytes(blob[:_TIME], "big")), blob[_TIME:]


def cosign(key: VKey, checkpoint: Checkpoint, time_s: int, sign: Callable[[bytes], bytes]) -> Signature:
    """The line by which the holder of ``key`` (0x04 or 0x06) says that it saw this head at this time (seconds).

    ``sign`` signs a message with the key's secret half. Raises NOTE-TIME.
    """
    return Signature(key.name, key.key_id, pack(time_s, sign(_message(key, time_s, checkpoint.text()))))


def verify(key: VKey, blob: bytes, text: bytes, verifier: Verifier) -> bool:
    """Whether a 0x04 or 0x06 line over a note's text is good.

    Raises NOTE-TIME and, for 0x06, CHECKPOINT-FORM when the text is no checkpoint of three lines.
    """
    if len(blob) != _TIME + _SIZES[key.algorithm]:
        return False
    time_s, signature = unpack(blob)
    message = _message(key, time_s, text)
    if key.algorithm == COSIGNATURE_ED25519:
        return verifier.verify_ed25519(key.public_key, signature, message)
    return verifier.verify_mldsa44(key.public_key, signature, message)


def _message(key: VKey, time_s: int, text: bytes) -> bytes:
    if key.algorithm == COSIGNATURE_ED25519:
        return message_0x04(time_s, text)
    if key.algorithm == COSIGNATURE_MLDSA44:
        head = parse_checkpoint(text)
        return message_0x06(key.name, time_s, head.origin, 0, head.size, head.root)
    raise ValueError(f"type {key.algorithm:#04x} makes no cosignatures")


def _time(time_s: int) -> int:
    if not 0 < time_s <= MAX_TIME:
        raise ProtocolError(codes.NOTE_TIME, f"{time_s} seconds")
    return time_s


def _short(data: bytes) -> bytes:
    return bytes((len(data),)) + data
