"""From one version of a member to the next: every log stays listed, and no log comes into force by surprise.

"A key change in the directory holds if the old log ends in ``closed`` naming the new one, or the new log was standby before, or
the network's threshold signed it; otherwise the old state stays" (SPEC.md section 6, who decides what).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TypeAlias

from keys.directory import codes
from keys.directory.rulings import ORDER
from keys.directory.view import LogRecord, LogState, Member
from protocol.errors import ProtocolError
from protocol.names import Origin

# Answers whether this node holds proof that the log before this one ended in ``closed`` naming it.
Named: TypeAlias = Callable[[Origin], bool]


# The size of the greatest head of a log that this node has confirmed; 0 for none.
Witnessed: TypeAlias = Callable[[Origin], int]


def nothing_witnessed(_: Origin) -> int:
    """The answer of whoever keeps no logs: none."""
    return 0


def never_named(_: Origin) -> bool:
    """The answer of whoever keeps no logs: no."""
    return False


def check_succession(
    old: Member, new: Member, ruled: Collection[Origin], named: Named = never_named, witnessed: Witnessed = nothing_witnessed
) -> None:
    """Check that ``new`` may follow ``old``. ``ruled``: origins whose record is the founders' ruling.

    Raises DIRECTORY-LOG-DROPPED for a log missing, changed or gone back; DIRECTORY-LOG-CUT for one that is closed below a head that this
    node has confirmed; DIRECTORY-LOG-SUCCESSION for one in force by surprise.
    """
    after = {log.origin: log for log in new.logs}
    for log in old.logs:
        if log.origin not in after:
            raise ProtocolError(codes.DIRECTORY_LOG_DROPPED, f"{log.origin} is missing")
        _check_log(log, after[log.origin], log.origin in ruled)
        closing = after[log.origin].closing
        seen = 0 if log.state is LogState.CLOSED or closing is None or log.origin in ruled else witnessed(log.origin)
        if closing is not None and seen > closing[0]:
            raise ProtocolError(codes.DIRECTORY_LOG_CUT, f"{log.origin} at {closing[0]}, {seen} was seen here")
    before = {log.origin: log for log in old.logs}
    for log in new.logs:
        if log.origin not in before and log.state is not LogState.STANDBY and log.origin not in ruled and not named(log.origin):
            raise ProtocolError(codes.DIRECTORY_LOG_SUCCESSION, str(log.origin))


def _check_log(old: LogRecord, new: LogRecord, ruled: bool) -> None:
    if new.keys != old.keys:
        raise ProtocolError(codes.DIRECTORY_LOG_DROPPED, f"{old.origin} has other keys")
    if ORDER[new.state] < ORDER[old.state]:
        raise ProtocolError(codes.DIRECTORY_LOG_DROPPED, f"{old.origin} went back from {old.state} to {new.state}")
    if old.state is LogState.CLOSED and (new.closing, new.witnesses, new.quorum) != (old.closing, old.witnesses, old.quorum):
        raise ProtocolError(codes.DIRECTORY_LOG_DROPPED, f"{old.origin} is closed and changed")
    if old.state is LogState.IN_FORCE:
        if not ruled and (new.witnesses, new.quorum) != (old.witnesses, old.quorum):
            raise ProtocolError(codes.DIRECTORY_LOG_DROPPED, f"{old.origin} has other witnesses; that takes a ruling")
        if new.state is LogState.CLOSED and new.closing is None:
            raise ProtocolError(codes.DIRECTORY_LOG_DROPPED, f"{old.origin} is closed without a closing head")
