"""What one holds of an entry, and between which times it was first shown. (SPEC.md section 5.10)

    logged      proof under a head with the log's two signatures
    witnessed   under a head that the quorum of its witnesses has signed too: the log cannot take it back
    closed      under the closing head that the directory lists: the old log keys no longer matter
    disputed    contradicts the closing head or a fork proof: both sides' bundles, a human decides

An entry's own time is a claim. Of ``witnesses`` that a log has, ``witnesses - quorum`` may lie: one more than that includes an honest
one. So the entry was there *not after* the (f+1)-th earliest time under a head that holds it, and it was *not shown before* the
(f+1)-th latest time under a head that does not hold it. All times are SECONDS, as in signature lines.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum

from protocol import limits


class Grade(StrEnum):
    """What one holds."""

    LOGGED = "logged"
    WITNESSED = "witnessed"
    CLOSED = "closed"
    DISPUTED = "disputed"


def is_quorum(times: Collection[int], quorum: int) -> bool:
    """Whether this many witnesses are the quorum. A log without witnesses has none."""
    return 0 < quorum <= len(times)


def not_after(times: Collection[int], witnesses: int, quorum: int) -> int:
    """The time (seconds) by which a head existed, whoever of the liars allowed for lied; 0 when its quorum is missing."""
    return sorted(times)[witnesses - quorum] if is_quorum(times, quorum) else 0


def not_before(times: Collection[int], witnesses: int, quorum: int) -> int:
    """The time (seconds) at which an honest witness still saw this head as the greatest; 0 when its quorum is missing."""
    return sorted(times)[-1 - (witnesses - quorum)] if is_quorum(times, quorum) else 0


def outside(claimed: int, before: int, after: int) -> bool:
    """Whether a claimed time (MILLISECONDS) lies outside its bracket (seconds, 0 unknown) by more than clocks may differ."""
    return bool((after and claimed - limits.SKEW > after * limits.SECOND) or (before and claimed + limits.SKEW < before * limits.SECOND))
