"""The circuit breaker of a peer."""

from node.carrying.breaker import MOST, Breaker
from protocol.entries import Lane


def test_it_opens_waits_longer_each_time_and_urgent_never_long():
    for lane in Lane:
        breaker, waits = Breaker(lambda: 1.0), []
        for _ in range(20):
            breaker.failed(lane, 100.0)
            waits.append(breaker.until(lane) - 100.0)
        assert waits[:5] == [1, 2, 4, 8, 16]
        assert waits[-1] == MOST[lane]
    assert MOST[Lane.URGENT] <= 30


def test_full_jitter_from_nothing_to_the_bound():
    breaker = Breaker()
    seen = set()
    for _ in range(64):
        breaker.close()
        for _ in range(4):
            breaker.failed(Lane.ROUTINE, 0.0)
        seen.add(round(breaker.until(Lane.ROUTINE)))
    assert max(seen) <= 8
    assert len(seen) >= 4


def test_retry_after_is_obeyed_within_an_hour():
    breaker = Breaker(lambda: 0.0)
    breaker.failed(Lane.ROUTINE, 0.0, 45)
    assert breaker.until(Lane.ROUTINE) == 45
    breaker.failed(Lane.ROUTINE, 0.0, 10**9)
    assert breaker.until(Lane.ROUTINE) == 3600


def test_its_states():
    breaker = Breaker(lambda: 1.0)
    assert breaker.state(Lane.ROUTINE, 0.0) == "closed"
    breaker.failed(Lane.ROUTINE, 0.0)
    assert breaker.state(Lane.ROUTINE, 0.5) == "open"
    assert breaker.state(Lane.URGENT, 0.5) == "closed"  # a lane does not wait for the other
    assert breaker.state(Lane.ROUTINE, 1.0) == "half-open"
    assert breaker.passed(Lane.ROUTINE)
    assert not breaker.passed(Lane.ROUTINE)
    assert breaker.state(Lane.ROUTINE, 1.0) == "closed"
    breaker.failed(Lane.URGENT, 0.0)
    breaker.close()
    assert breaker.until(Lane.URGENT) == 0.0
