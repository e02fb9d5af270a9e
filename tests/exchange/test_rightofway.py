"""The right of way: routine pauses while something urgent is at work, never for long, and never for ever."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from exchange.outgoing.sealing import Draft
from exchange.rightofway import RightOfWay
from node.clock import SystemClock
from protocol import limits
from protocol.entries import Lane
from protocol.errors import LocalError
from protocol.names import Office
from tests.world import START, SetClock, World


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _paused_beside(seconds: float) -> float:
    """How long routine pauses beside two urgent things, the longer of which takes so many seconds."""
    way = RightOfWay(SetClock())
    way.enter()
    way.enter()
    way.leave()
    ending = threading.Timer(seconds, way.leave)
    ending.start()
    paused = _seconds(lambda: way.give(Lane.ROUTINE))
    ending.join()
    assert _seconds(lambda: way.give(Lane.ROUTINE)) < 0.029
    return paused


def test_routine_pauses_until_nothing_urgent_is_at_work() -> None:
    assert any(0.004 <= _paused_beside(0.005) < 0.029 for _ in range(50))  # a busy machine lets some pauses run out


def test_routine_pauses_for_30_ms_at_most() -> None:
    assert 0.029 <= min(_paused_beside(0.2) for _ in range(5)) < 0.15


def test_urgent_never_pauses() -> None:
    way = RightOfWay(SetClock())
    with way.on(Lane.URGENT):
        assert _seconds(lambda: [way.give(Lane.URGENT) for _ in range(1000)]) < 1


def _share_of_pauses(urgent: float, nothing: float) -> float:
    """The part of its time that routine pauses beside urgent work of so many seconds, each after so many seconds without any."""
    way, ended = RightOfWay(SystemClock()), threading.Event()

    def work() -> None:
        while not ended.is_set():
            with way.on(Lane.URGENT):
                ended.wait(urgent)
            ended.wait(nothing)

    working = threading.Thread(target=work)
    working.start()
    began, paused = time.perf_counter(), 0.0
    while time.perf_counter() - began < 0.6:
        paused += _seconds(lambda: way.give(Lane.ROUTINE))
        ended.wait(0.001)  # an item
    share = paused / (time.perf_counter() - began)
    ended.set()
    working.join()
    return share


@pytest.mark.parametrize("urgent, nothing", [(60.0, 0.001), (0.01, 0.001), (0.025, 0.0)])
def test_routine_keeps_half_of_its_time(urgent: float, nothing: float) -> None:
    shares = [_share_of_pauses(urgent, nothing) for _ in range(3)]
    assert min(shares) < 0.6  # a busy machine lets some pauses run late
    assert max(shares) > 0.2


def test_nobody_pauses_where_nobody_works_beside_anybody() -> None:
    way = RightOfWay(SetClock(), threaded=False)
    with way.on(Lane.URGENT):
        assert _seconds(lambda: way.give(Lane.ROUTINE)) < 0.029


def test_what_fails_gives_the_way_free() -> None:
    way = RightOfWay(SetClock())
    with pytest.raises(ZeroDivisionError), way.on(Lane.URGENT):
        1 / 0  # noqa: B018
    assert _seconds(lambda: way.give(Lane.ROUTINE)) < 0.029


def test_an_urgent_message_that_is_refused_holds_nobody_up(pair: World) -> None:
    a = pair.exchanges["xa-ca"]
    sealed = a.outbox.seal(Draft("247", (Office("xb-ca", "247"),), "EE_PRESERVE", b"{}", START + limits.DAY, lane=Lane.URGENT))
    a.writer.stop()
    with pytest.raises(LocalError) as caught:
        a.outbox.submit(sealed).result()
    assert caught.value.code.code == "STORE-STOPPED"
    assert not a.outbox._way._urgent
