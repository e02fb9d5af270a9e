"""When a delivery that failed is tried again: soon, then ever later, up to what its lane waits at most."""

from __future__ import annotations

import pytest

from exchange.outgoing.retries import MOST
from protocol import limits
from protocol.entries import Lane
from tests.world import World


def _wait(world: World, lane: Lane) -> int:
    """Milliseconds until the one delivery of this lane is due."""
    db = world.exchanges["xa-ca"].store.reader()
    return int(db.execute("SELECT due FROM delivery WHERE lane=?", (lane,)).fetchone()[0]) - world.clock.now()


@pytest.mark.parametrize("lane", Lane)
def test_attempts_come_ever_later_up_to_the_bound_of_the_lane(pair: World, lane: Lane) -> None:
    """A peer that was away for an hour gets what is urgent within half a minute of its return, even when nobody notices the return."""
    a = pair.exchanges["xa-ca"]
    pair.send("xa-ca", "xb-ca", b"{}", lane=lane)
    waits: list[int] = []
    for attempt in range(200):
        a.retries.hasten("xb-ca")
        a.retries.unreached("xb-ca", lane, "PEER-UNREACHABLE")
        waits.append(_wait(pair, lane))
        assert 0 <= waits[-1] < min(limits.SECOND << attempt, MOST[lane])
    assert max(waits) > MOST[lane] // 2, "full jitter: half of all waits are longer than that"
    assert MOST[Lane.URGENT] == 30 * limits.SECOND < MOST[Lane.ROUTINE]
