"""The life of one envelope towards one recipient, as a table.

Rule 1. A state changes only by an event of this table; any other pair is a bug, not a message's fault.
Rule 2. ``delivered``, ``refused`` and ``rejected`` end it; ``undelivered`` ends our duty, yet a receipt may still come.
Rule 3. Whatever may pass (*later*, *bad*, no answer) leaves the state as it is and moves only the time of the next attempt.

    queued ──wants──> wanted ──consigned──> delivered
       │                 └──refused──> refused
       ├──consigned──> delivered        ├──expired──> undelivered ──consigned──> delivered
       └──refused──> refused            └──hold──> held ──retry──> queued ;  held ──reject──> rejected

(SPEC.md section 4.3)
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class State(StrEnum):
    """Where the delivery to one recipient stands."""

    QUEUED = "queued"  # to be offered, or offered without a final answer
    WANTED = "wanted"  # the body passed there; parts are being uploaded
    HELD = "held"  # an operator, or a passed number of *bad* answers, stopped it: a human decides
    DELIVERED = "delivered"  # consigned, proven
    REFUSED = "refused"  # refused, proven
    UNDELIVERED = "undelivered"  # expired without a receipt; logged
    REJECTED = "rejected"  # given up by an operator; logged


class Event(StrEnum):
    """What can happen to it."""

    WANTS = "wants"
    CONSIGNED = "consigned"
    REFUSED = "refused"
    UNKNOWN = "unknown"  # the recipient lost a pending envelope: offer it again
    HOLD = "hold"
    RETRY = "retry"
    REJECT = "reject"
    EXPIRED = "expired"


TABLE: Final[Mapping[tuple[State, Event], State]] = {
    (State.QUEUED, Event.WANTS): State.WANTED,
    (State.QUEUED, Event.CONSIGNED): State.DELIVERED,
    (State.QUEUED, Event.REFUSED): State.REFUSED,
    (State.QUEUED, Event.UNKNOWN): State.QUEUED,
    (State.QUEUED, Event.HOLD): State.HELD,
    (State.QUEUED, Event.RETRY): State.QUEUED,
    (State.QUEUED, Event.REJECT): State.REJECTED,
    (State.QUEUED, Event.EXPIRED): State.UNDELIVERED,
    (State.WANTED, Event.WANTS): State.WANTED,
    (State.WANTED, Event.CONSIGNED): State.DELIVERED,
    (State.WANTED, Event.REFUSED): State.REFUSED,
    (State.WANTED, Event.UNKNOWN): State.QUEUED,
    (State.WANTED, Event.HOLD): State.HELD,
    (State.WANTED, Event.RETRY): State.WANTED,
    (State.WANTED, Event.REJECT): State.REJECTED,
    (State.WANTED, Event.EXPIRED): State.UNDELIVERED,
    (State.HELD, Event.RETRY): State.QUEUED,
    (State.HELD, Event.REJECT): State.REJECTED,
    (State.HELD, Event.EXPIRED): State.UNDELIVERED,
    (State.HELD, Event.CONSIGNED): State.DELIVERED,
    (State.HELD, Event.REFUSED): State.REFUSED,
    (State.UNDELIVERED, Event.CONSIGNED): State.DELIVERED,
    (State.UNDELIVERED, Event.REFUSED): State.REFUSED,
}

FINAL: Final = frozenset({State.DELIVERED, State.REFUSED, State.REJECTED})
OPEN: Final = frozenset({State.QUEUED, State.WANTED})


def after(state: State, event: Event) -> State | None:
    """The state that follows, or None where the table has no such pair."""
    return TABLE.get((state, event))
