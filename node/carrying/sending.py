"""How far the parts of messages have come on their way to one peer: for whoever waits and looks. Forgotten with the process."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

KEPT: Final = 2048  # messages; of an older one nobody waits for a bar


class Sending:
    """Bytes of ciphertext that the peer holds, or that have left for it. Written in the loop, read from any thread."""

    def __init__(self) -> None:
        self._at: dict[bytes, dict[int, int]] = {}

    def begin(self, envelope_hash: bytes, wanted: Iterable[tuple[int, int]]) -> None:
        """The peer wants these parts (number, bytes held); it has every other one whole."""
        self._at.pop(envelope_hash, None)
        self._at[envelope_hash] = dict(wanted)
        while len(self._at) > KEPT:
            del self._at[next(iter(self._at))]

    def went(self, envelope_hash: bytes, number: int, at: int) -> None:
        """So many bytes of a part are there or on their way."""
        found = self._at.get(envelope_hash)
        if found is not None:
            found[number] = at

    def sent(self, envelope_hash: bytes, lengths: Sequence[int]) -> int:
        """How many bytes of all parts from 1 on, which are so long; 0 when nothing is known."""
        found = self._at.get(envelope_hash)
        if found is None:
            return 0
        return sum(lengths) - sum(lengths[number - 1] - at for number, at in tuple(found.items()))
