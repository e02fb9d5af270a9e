"""A pouch and the delivery that each of its items belongs to; what an answer says before it is taken."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import NamedTuple

from protocol.checkpoint import Head
from protocol.delivery import State
from protocol.entries import Lane
from protocol.pouch import Frame


@dataclass(frozen=True, slots=True)
class Row:
    """One delivery that is due, with its ``submitted`` entry and its wrapped secret (None once the message was erased)."""

    id: int
    hash: bytes
    message_id: bytes
    state: State
    lane: Lane
    attempts: int
    envelope: bytes
    body: bytes
    index: int
    receipt: bytes | None
    time: int
    entry: bytes
    secret: bytes | None

    def packed(self) -> Row:
        """The same without what its item holds: the most of it."""
        return replace(self, envelope=b"", body=b"")


class Heard(NamedTuple):
    """How far the logs are confirmed once an answer is taken: ours at the peer, and the peer's at ours."""

    ours_there: int
    theirs: int


@dataclass(slots=True)
class Bag:
    """What was packed for one peer and lane, under which head of ours.

    ``about``: H of its frame, empty until it is addressed. ``uploads``: what the answer wants. ``more``: it was full.
    """

    peer: str
    lane: Lane
    rows: list[Row]
    items: list[bytes]
    head: Head
    more: bool = False
    about: bytes = b""
    uploads: dict[bytes, tuple[tuple[int, int], ...]] = field(default_factory=dict)

    @property
    def addressed(self) -> Frame:
        """As it leaves."""
        return Frame(self.about, self.items)

    @property
    def frame(self) -> bytes:
        """The same in one piece, put together each time."""
        return bytes(self.addressed)

    def shortened(self) -> Bag:
        """Its first half, not addressed yet: what is smaller is sooner there. The rest is still due."""
        half = max(1, len(self.rows) // 2)
        return Bag(self.peer, self.lane, self.rows[:half], self.items[:half], self.head, more=True)
