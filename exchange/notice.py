"""What became of messages, for whoever is told of it: ids and names of authorities, never content."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from protocol.delivery import State
from protocol.entries import Lane


@dataclass(frozen=True, slots=True)
class Notice:
    """One message and one authority.

    ``peer``: who sent it (when it was consigned here), or who answered (when we sent it); ``since``: ms, when we first had it.
    """

    hash: bytes
    message_id: bytes
    peer: str
    lane: Lane
    state: State
    since: int


Told: TypeAlias = Callable[[Sequence[Notice]], None]


def nobody(_: Sequence[Notice]) -> None:
    """Tells nobody."""
