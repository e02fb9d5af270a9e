"""The clock: follows small corrections of the wall clock, not its jumps; never goes back; says when it is in doubt."""

import pytest

from node import clock as clocks
from protocol import limits


class Hands:
    """The machine's two clocks."""

    def __init__(self):
        self.wall, self.monotonic = 1_795_500_000_000, 5_000

    def pass_(self, ms, *, wall=None):
        self.monotonic += ms
        self.wall += ms if wall is None else wall


@pytest.fixture
def hands(monkeypatch):
    made = Hands()
    monkeypatch.setattr(clocks, "_wall", lambda: made.wall)
    monkeypatch.setattr(clocks, "_monotonic", lambda: made.monotonic)
    return made


def test_it_shows_the_wall_clock(hands):
    clock = clocks.SystemClock()
    assert clock.now() == hands.wall
    hands.pass_(limits.HOUR)
    assert clock.now() == hands.wall
    assert clock.sure()


def test_TIM_6_small_corrections_are_followed(hands):
    clock = clocks.SystemClock()
    for _ in range(100):
        hands.pass_(limits.SECOND, wall=limits.SECOND + 500)  # slewed by half a second each time: 50 s in all
        assert clock.now() == hands.wall
    assert clock.sure()


@pytest.mark.parametrize("jump", [-limits.HOUR, 3 * limits.DAY, -1_795_500_000_000, 61_000, -61_000, 3_600_000])
def test_TIM_6_jumps_are_not_followed(hands, jump):
    clock = clocks.SystemClock()
    before = clock.now()
    hands.pass_(10, wall=10 + jump)
    assert clock.now() == before + 10
    assert not clock.sure()
    hands.pass_(limits.MINUTE)
    assert clock.now() == before + 10 + limits.MINUTE
    assert not clock.sure()
    hands.pass_(10, wall=10 - jump)  # put right again
    assert clock.sure()
    assert clock.now() == hands.wall


@pytest.mark.parametrize("back", [1, 500, 59_000])
def test_TIM_6_never_goes_back(hands, back):
    clock = clocks.SystemClock()
    before = clock.now()
    hands.pass_(1, wall=-back)
    assert clock.now() == before
    assert clock.sure()
    hands.pass_(back + 10)
    assert clock.now() > before


def test_a_leap_second_is_nothing(hands):
    clock = clocks.SystemClock()
    before = clock.now()
    hands.pass_(1000, wall=0)
    assert before <= clock.now() <= before + 1000
    assert clock.sure()


def test_the_real_clock_moves():
    clock = clocks.SystemClock()
    first, started = clock.now(), clocks.monotonic_ms()
    while clocks.monotonic_ms() < started + 5:
        pass
    assert clock.now() > first
    assert clock.sure()
