"""The life of a message before it is sent, as a table: who must have said yes before it leaves the house.

Rule 1. A message leaves by ``approve`` (a second person), or by ``release`` where one person or a written policy suffices.
Rule 2. ``sent`` ends it here: from then on delivery.py tells its life. What was approved is exactly what was sealed.
Rule 3. ``rejected`` and ``lapsed`` destroy what was sealed; a corrected text is a new draft.

    draft ──propose──> in_approval ──approve──> sent
      └────release────────────────────────────> sent
                       in_approval ──reject───> rejected
                       in_approval ──lapse────> lapsed     (its time to live ended before anybody decided)

(The states up to ``sent`` of requests: domain 2.1.2)
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class DraftState(StrEnum):
    """Where a message stands before it is sent."""

    DRAFT = "draft"  # sealed, nothing decided or stored yet
    IN_APPROVAL = "in_approval"  # waits for a second person
    SENT = "sent"
    REJECTED = "rejected"
    LAPSED = "lapsed"


class DraftEvent(StrEnum):
    """What can happen to it."""

    PROPOSE = "propose"
    RELEASE = "release"
    APPROVE = "approve"
    REJECT = "reject"
    LAPSE = "lapse"


TABLE: Final[Mapping[tuple[DraftState, DraftEvent], DraftState]] = {
    (DraftState.DRAFT, DraftEvent.PROPOSE): DraftState.IN_APPROVAL,
    (DraftState.DRAFT, DraftEvent.RELEASE): DraftState.SENT,
    (DraftState.IN_APPROVAL, DraftEvent.APPROVE): DraftState.SENT,
    (DraftState.IN_APPROVAL, DraftEvent.REJECT): DraftState.REJECTED,
    (DraftState.IN_APPROVAL, DraftEvent.LAPSE): DraftState.LAPSED,
}


def after(state: DraftState, event: DraftEvent) -> DraftState | None:
    """The state that follows, or None where the table has no such pair."""
    return TABLE.get((state, event))
