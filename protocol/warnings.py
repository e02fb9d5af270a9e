"""When people are warned that a message has no receipt yet, so that they can pick up the phone before it is too late.

    urgent    5 min, 30 min and 2 h after it was submitted; half of its time; 1 h before the end
    routine   half of its time; 24 h and 1 h before the end

(SPEC.md section 4.3)
"""

from __future__ import annotations

from typing import Final

from protocol import limits
from protocol.entries import Lane

AFTER: Final = {Lane.URGENT: (5 * limits.MINUTE, 30 * limits.MINUTE, 2 * limits.HOUR), Lane.ROUTINE: ()}
BEFORE: Final = {Lane.URGENT: (1 * limits.HOUR,), Lane.ROUTINE: (24 * limits.HOUR, 1 * limits.HOUR)}


def warning_times(lane: Lane, submitted: int, expires: int) -> list[int]:
    """The instants (ms), ascending, strictly between submission and deadline."""
    times = {submitted + after for after in AFTER[lane]} | {expires - before for before in BEFORE[lane]}
    times.add((submitted + expires) // 2)
    return sorted(time for time in times if submitted < time < expires)
