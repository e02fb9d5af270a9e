"""The three lines of a C2SP checkpoint: whose log, how many entries, and the root over them.

    example.org/xa-ca/log/1
    20852163
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

``protocol.checkpoint`` adds the signatures; callers import ``Checkpoint`` and ``parse_checkpoint`` from there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from protocol import codes, limits
from protocol.canonical import MAX_NUMBER, decimal, from_base64, to_base64
from protocol.errors import ProtocolError
from protocol.merkle import HASH
from protocol.vkey import is_key_name

_LINES: Final = 3


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a log signs: its origin, the number of its entries and the Merkle root over them. Raises CHECKPOINT-FORM."""

    origin: str
    size: int
    root: bytes

    def __post_init__(self) -> None:
        if not is_key_name(self.origin) or len(self.origin.encode()) > limits.ORIGIN:
            raise ProtocolError(codes.CHECKPOINT_FORM, f"the origin {self.origin[:80]!r}")
        if not 0 <= self.size <= MAX_NUMBER or len(self.root) != HASH:
            raise ProtocolError(codes.CHECKPOINT_FORM, f"size {self.size}, a root of {len(self.root)} bytes")

    def text(self) -> bytes:
        """The three lines, each with its newline: the text of the note."""
        return f"{self.origin}\n{self.size}\n{to_base64(self.root)}\n".encode()


def parse_checkpoint(text: bytes) -> Checkpoint:
    """The checkpoint in a note's text. Raises CHECKPOINT-FORM; extension lines are refused: a 0x06 line does not cover them."""
    try:
        lines = text.decode().split("\n")
    except UnicodeDecodeError:
        raise ProtocolError(codes.CHECKPOINT_FORM, "not UTF-8") from None
    if len(lines) != _LINES + 1 or lines[-1]:
        raise ProtocolError(codes.CHECKPOINT_FORM, f"{len(lines) - 1} full lines, not exactly 3")
    size = decimal(lines[1], codes.CHECKPOINT_FORM, "the size")
    return Checkpoint(lines[0], size, from_base64(lines[2], codes.CHECKPOINT_FORM, "the root"))


def stated_checkpoint(note: bytes) -> Checkpoint:
    """The checkpoint that a whole note states, no signature checked: of a note of our own store, or to see which log it speaks of.

    Raises CHECKPOINT-FORM.
    """
    return parse_checkpoint(note.partition(b"\n\n")[0] + b"\n")
