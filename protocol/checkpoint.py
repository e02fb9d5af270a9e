"""Heads: checkpoints with both signatures of their log, the only thing under which an entry counts.

    example.org/xa-ca/log/1
    20852163
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

    — example.org/xa-ca/log/1 <Ed25519, 0x01>
    — example.org/xa-ca/log/1 <seconds and ML-DSA-44, 0x06>
    — any witness ...

Both lines are required, each exactly once: the head holds as long as one of the two kinds of signature does.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from protocol import codes, cosignature
from protocol.errors import ProtocolError
from protocol.note import format_note, parse_note, verify_note
from protocol.ports import LogSigner, Verifier
from protocol.treehead import Checkpoint, parse_checkpoint
from protocol.verified import Verified, vouch
from protocol.vkey import COSIGNATURE_MLDSA44, ED25519, Signature, VKey

__all__ = ["Checkpoint", "Head", "LogKeys", "parse_checkpoint", "sign_head", "verify_head"]


@dataclass(frozen=True, slots=True)
class LogKeys:
    """The pinned public keys of one log: Ed25519 (32 bytes) and ML-DSA-44 (1,312). They come from the directory alone."""

    origin: str
    ed25519: bytes
    mldsa44: bytes

    @property
    def vkeys(self) -> tuple[VKey, VKey]:
        """The verifier keys of its two lines, 0x01 and 0x06, both named after the log. Raises NOTE-VKEY."""
        return _vkeys(self)


@lru_cache(256)  # of logs in the directory: every head that is verified asks for them
def _vkeys(keys: LogKeys) -> tuple[VKey, VKey]:
    return VKey(keys.origin, ED25519, keys.ed25519), VKey(keys.origin, COSIGNATURE_MLDSA44, keys.mldsa44)


@dataclass(frozen=True, slots=True)
class Head:
    """A checkpoint, the note that carries it as received, and the time of the log's own 0x06 line in SECONDS."""

    checkpoint: Checkpoint
    note: bytes
    time: int

    @property
    def origin(self) -> str:
        """The log."""
        return self.checkpoint.origin

    @property
    def size(self) -> int:
        """The number of entries."""
        return self.checkpoint.size

    @property
    def root(self) -> bytes:
        """The Merkle root over them."""
        return self.checkpoint.root


def verify_head(note: bytes, keys: LogKeys, verifier: Verifier) -> Verified[Head]:
    """Check a head of the log whose keys these are. Lines of other keys are ignored (witnesses are a policy's business).

    Raises NOTE-* and CHECKPOINT-FORM, CHECKPOINT-ORIGIN for another log's head (LOG-6), CHECKPOINT-EMPTY for size 0,
    CHECKPOINT-SIGNATURES when one of the two lines is missing.
    """
    parsed = parse_note(note)
    checkpoint = parse_checkpoint(parsed.text)
    _check_log(checkpoint, keys)
    lines = verify_note(parsed, keys.vkeys, verifier)
    times = [cosignature.unpack(line.blob)[0] for line in lines if line.is_by(keys.vkeys[1])]
    if len(lines) != len(keys.vkeys):
        raise ProtocolError(codes.CHECKPOINT_SIGNATURES, f"only the {'0x06' if times else '0x01'} line is there")
    return vouch(Head(checkpoint, note, times[0]))


def sign_head(checkpoint: Checkpoint, time_s: int, signer: LogSigner, keys: LogKeys) -> bytes:
    """The note with both lines of the log; ``time_s`` is the head row's time in SECONDS. Raises NOTE-TIME when it is zero.

    Signs whatever it is given: that the row was committed and the guard has moved is the sequencer's duty.
    """
    _check_log(checkpoint, keys)
    text = checkpoint.text()
    ed25519, mldsa44 = keys.vkeys
    lines = (
        Signature(ed25519.name, ed25519.key_id, signer.sign_ed25519(text)),
        cosignature.cosign(mldsa44, checkpoint, time_s, signer.sign_mldsa44),
    )
    return format_note(text, lines)


def _check_log(checkpoint: Checkpoint, keys: LogKeys) -> None:
    if checkpoint.origin != keys.origin:
        raise ProtocolError(codes.CHECKPOINT_ORIGIN, f"{checkpoint.origin} instead of {keys.origin}")
    if checkpoint.size == 0:
        raise ProtocolError(codes.CHECKPOINT_EMPTY, checkpoint.origin)
