"""The token bucket."""

from hypothesis import given
from hypothesis import strategies as st

from protocol.bucket import Bucket


def test_a_burst_then_the_rate() -> None:
    bucket = Bucket(1.0, 3, 0)
    assert [bucket.ask(1, 0) for _ in range(5)] == [0, 0, 0, 1, 1]
    assert bucket.ask(1, 999) == 1
    assert bucket.ask(1, 1000) == 0
    assert bucket.ask(2, 1500) == 2
    assert not bucket.full(3000)
    assert bucket.full(100_000)
    assert bucket.level(200_000) == 3


def test_a_debt_has_a_bottom() -> None:
    bucket = Bucket(10.0, 100, 0)
    bucket.take(1000, 0)
    assert bucket.level(0) == -100
    assert bucket.level(10_000) == 0


@given(st.lists(st.tuples(st.integers(-5000, 5000), st.integers(0, 50)), max_size=50))
def test_a_clock_that_jumps_gives_nothing_twice(steps: list[tuple[int, int]]) -> None:
    """However the clock moves, no more is given than the burst and what the forward moves add."""
    bucket, now, given_, forward = Bucket(10.0, 20, 0), 0, 0, 0
    for move, cost in steps:
        forward += max(0, move)
        now += move
        if bucket.ask(cost, now) == 0:
            given_ += cost
    assert given_ <= 20 + 10 * forward / 1000 + 1e-6
