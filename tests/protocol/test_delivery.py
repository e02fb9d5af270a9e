"""The life of a delivery: every state with every event, against the text of SPEC.md and the drawing in the module."""

from __future__ import annotations

import itertools

import pytest

from protocol.delivery import FINAL, OPEN, TABLE, Event, State, after

S, E = State, Event
# rows in the order of Event: wants, consigned, refused, unknown, hold, retry, reject, expired
EXPECTED = {
    S.QUEUED: (S.WANTED, S.DELIVERED, S.REFUSED, S.QUEUED, S.HELD, S.QUEUED, S.REJECTED, S.UNDELIVERED),
    S.WANTED: (S.WANTED, S.DELIVERED, S.REFUSED, S.QUEUED, S.HELD, S.WANTED, S.REJECTED, S.UNDELIVERED),
    S.HELD: (None, S.DELIVERED, S.REFUSED, None, None, S.QUEUED, S.REJECTED, S.UNDELIVERED),
    S.DELIVERED: (None,) * 8,
    S.REFUSED: (None,) * 8,
    S.UNDELIVERED: (None, S.DELIVERED, S.REFUSED, None, None, None, None, None),
    S.REJECTED: (None,) * 8,
}


@pytest.mark.parametrize(("state", "event"), list(itertools.product(State, Event)))
def test_every_pair(state: State, event: Event) -> None:
    assert after(state, event) is EXPECTED[state][list(Event).index(event)]


def test_the_table_has_nothing_else() -> None:
    assert len(TABLE) == sum(follows is not None for row in EXPECTED.values() for follows in row)


def test_what_is_final_stays() -> None:
    assert {state for state in State if not any((state, event) in TABLE for event in Event)} == FINAL
    assert not FINAL & OPEN


def test_every_state_but_the_first_is_reached_and_every_open_one_can_end() -> None:
    assert {*TABLE.values()} == {*State}
    for state in (*OPEN, S.HELD, S.UNDELIVERED):
        assert S.DELIVERED in {TABLE[state, event] for event in Event if (state, event) in TABLE}
