"""The writer's order: what is urgent goes first, groups end, and nobody waits for ever. Driven step by step, without its thread."""

from __future__ import annotations

import gc
import time
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest

from exchange import codes
from exchange.log import Tx
from exchange.store import CARRY_OVER
from exchange.writer import Writer
from protocol import codes as protocol_codes
from protocol.entries import Filler
from protocol.errors import LocalError, ProtocolError
from tests.world import World, make_world


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = make_world(tmp_path, ("xa-ca",))
    yield made
    made.close()


class Steps:
    """A writer without a thread on the exchange's own database and log, and the order in which its functions ran."""

    def __init__(self, world: World) -> None:
        self.world, exchange = world, world.exchanges["xa-ca"]
        self.log = exchange.log
        self.writer = Writer(exchange.store.writer, exchange.log, world.clock, world.fatal.append, threaded=False)
        self.ran: list[str] = []

    def queue(self, name: str, *, urgent: bool = False, ms: int = 0) -> None:
        """A function that notes that it ran, appends an entry, and takes so long."""

        def change(tx: Tx) -> None:
            self.ran.append(name)
            tx.append(Filler)
            self.world.clock.advance(ms)

        self.writer.submit(change, urgent=urgent)

    def step(self) -> list[str]:
        """What one group ran."""
        self.ran = []
        self.writer.step()
        return self.ran


def test_step_commits_one_group_and_says_whether_there_was_one(world: World) -> None:
    steps, size = Steps(world), world.exchanges["xa-ca"].log.size
    assert not steps.writer.step()
    for name in "abc":
        steps.queue(name)
    assert steps.step() == ["a", "b", "c"]
    assert steps.log.size == size + 3
    assert steps.log.head().size == size + 3  # one signature for the three


def test_run_steps_for_itself(world: World) -> None:
    assert Steps(world).writer.run(lambda tx: tx.append(Filler)) == world.exchanges["xa-ca"].log.size - 1


def test_URG_3_what_is_urgent_overtakes_and_ends_its_group(world: World) -> None:
    steps = Steps(world)
    for name in "ab":
        steps.queue(name)
    steps.queue("u", urgent=True)
    assert steps.step() == ["u"]
    assert steps.step() == ["a", "b"]


def test_URG_3_what_comes_urgently_while_a_group_is_written_goes_along_and_ends_it(world: World) -> None:
    steps = Steps(world)
    steps.writer.submit(lambda tx: steps.queue("u", urgent=True))
    for name in "ab":
        steps.queue(name)
    assert steps.step() == ["u"]  # the group was open still, and takes neither a nor b
    assert steps.step() == ["a", "b"]


def test_URG_3_a_group_ends_after_its_time(world: World) -> None:
    steps = Steps(world)
    for name in "abcd":
        steps.queue(name, ms=30)
    assert steps.step() == ["a", "b"]
    assert steps.step() == ["c", "d"]


def test_what_is_urgent_all_the_time_leaves_room_for_the_rest(world: World) -> None:
    steps = Steps(world)
    for name in "ab":
        steps.queue(name)
    for expected in (["u"], ["a", "u"], ["u"], ["b", "u"]):
        steps.queue("u", urgent=True)
        assert steps.step() == expected


def test_URG_3_groups_are_small_while_urgent_ones_come(world: World) -> None:
    steps = Steps(world)
    steps.queue("u", urgent=True)
    steps.step()
    for _ in range(100):
        steps.queue("r")
    assert 0 < len(steps.step()) < 50
    world.clock.advance(1000)
    assert len(steps.step()) > 50


def test_what_goes_first_makes_no_group_small(world: World) -> None:
    steps = Steps(world)
    for _ in range(100):
        steps.queue("r")
    steps.writer.run_first(lambda tx: steps.ran.append("first"))
    assert steps.ran == ["first"]
    assert len(steps.step()) > 50


def test_what_is_not_hurried_goes_along_and_lets_what_is_urgent_go_first(world: World) -> None:
    steps = Steps(world)

    def along(name: str) -> None:
        steps.writer.submit_unhurried(lambda tx: steps.ran.append(name))

    along("x")
    steps.queue("a")
    steps.queue("u", urgent=True)
    assert steps.step() == ["u"]
    assert steps.step() == ["a", "x"]
    along("y")
    assert steps.step() == ["y"]


def test_what_is_urgent_all_the_time_leaves_room_for_what_is_not_hurried(world: World) -> None:
    steps = Steps(world)
    for expected in (["u"], ["u", "x", "x"], ["u"], ["u", "x", "x"]):
        steps.writer.submit_unhurried(lambda tx: steps.ran.append("x"))
        steps.queue("u", urgent=True)
        assert steps.step() == expected


def test_what_is_not_hurried_is_written_though_nothing_else_comes(world: World) -> None:
    writer = world.exchanges["xa-ca"].writer
    assert writer.submit_unhurried(lambda tx: tx.db.execute("SELECT 1").fetchone()).result(10) == (1,)
    last = writer.submit_unhurried(lambda tx: 2)
    writer.stop()
    assert last.result(0) == 2
    with pytest.raises(LocalError, match="STORE-STOPPED"):
        writer.submit_unhurried(lambda tx: 3).result(0)


def test_what_nothing_is_spoken_of_is_done_with_the_commit(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = Steps(world)
    quiet = steps.writer.submit(lambda tx: tx.append(Filler), spoken=False)
    spoken = steps.writer.submit(lambda tx: tx.append(Filler))
    size, seen = steps.log.size, []

    def refuse() -> None:
        seen.append((quiet.done(), spoken.done()))
        raise LocalError(codes.GUARD_LOST)

    monkeypatch.setattr(steps.log, "sign_newest", refuse)
    steps.writer.step()
    assert seen == [(True, False)]
    assert quiet.result(0) == size
    with pytest.raises(LocalError, match="GUARD-LOST"):
        spoken.result(0)
    assert world.fatal


@pytest.mark.parametrize("following", ["what is spoken of", "what is not", "nothing"])
def test_a_head_that_nothing_is_spoken_of_waits_for_what_follows(world: World, following: str) -> None:
    steps = Steps(world)
    log, before = steps.log, steps.log.head().size
    assert before == log.size
    quiet = steps.writer.submit(lambda tx: tx.append(Filler), spoken=False)
    steps.writer.step()
    assert quiet.result(0) == before
    assert (log.size, log.head().size) == (before + 1, before)
    if following != "nothing":
        steps.writer.submit(lambda tx: tx.append(Filler), spoken=following == "what is spoken of")
    assert steps.writer.step()
    assert log.head().size == log.size == before + 1 + (following != "nothing")
    assert not steps.writer.step()


@pytest.mark.parametrize("stopped", [False, True])
def test_a_head_that_nothing_is_spoken_of_is_signed_though_nothing_follows(world: World, stopped: bool) -> None:
    exchange = world.exchanges["xa-ca"]
    index = exchange.writer.submit(lambda tx: tx.append(Filler), spoken=False).result(10)
    if stopped:
        exchange.writer.stop()
    ends = time.monotonic() + 10
    while exchange.log.head().size == index and time.monotonic() < ends and not stopped:
        time.sleep(0.005)
    assert exchange.log.head().size == index + 1


def test_after_the_end_nothing_is_signed_any_more(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    steps, size = Steps(world), world.exchanges["xa-ca"].log.size
    steps.writer.submit(lambda tx: tx.append(Filler), spoken=False)
    steps.writer.step()
    monkeypatch.setattr(steps.log, "advance", lambda growth: (_ for _ in ()).throw(LocalError(codes.STORE_WRITE)))
    with pytest.raises(LocalError, match="STORE-WRITE"):
        steps.writer.run(lambda tx: tx.append(Filler))
    assert not steps.writer.step()
    assert steps.log.head().size == size


def test_a_guard_that_fails_in_a_function_ends_the_writer(world: World) -> None:
    """As while a log is released: the guard's file may hold the new value, and whoever goes on would never fit it again."""
    steps, size = Steps(world), world.exchanges["xa-ca"].log.size

    def release(tx: Tx) -> None:
        tx.append(Filler)
        raise LocalError(codes.GUARD_WRITE, "disk I/O")

    failed, behind = steps.writer.submit(release), steps.writer.submit(lambda tx: tx.append(Filler))
    steps.writer.step()
    for future in (failed, behind):
        with pytest.raises(LocalError, match="GUARD-WRITE"):
            future.result(0)
    assert steps.log.size == size
    assert [error.code for error in world.fatal] == [codes.GUARD_WRITE]


def test_a_function_that_raises_undoes_itself_alone(world: World) -> None:
    steps = Steps(world)
    size = steps.log.size

    def fail(tx: Tx) -> None:
        tx.append(Filler)
        raise KeyError("a mistake")

    steps.queue("a")
    failed = steps.writer.submit(fail)
    steps.queue("b")
    assert steps.step() == ["a", "b"]
    assert steps.log.size == size + 2
    assert isinstance(failed.exception(), KeyError)


def test_an_error_holds_nothing_of_its_group(world: World) -> None:
    """Without any search for cycles: those who are refused all the time would otherwise fill the memory with what others sent."""
    steps = Steps(world)

    class Body:
        pass

    body = Body()
    gone = weakref.ref(body)
    steps.writer.submit(lambda tx, body=body: str(body))
    del body
    gc.collect()
    gc.disable()
    try:
        with pytest.raises(ProtocolError) as caught:
            steps.writer.run(_refuse)
        assert gone() is None
        assert caught.value.code is protocol_codes.HEAD_UNLINKED
    finally:
        gc.enable()


def _refuse(tx: Tx) -> None:
    raise ProtocolError(protocol_codes.HEAD_UNLINKED)


@pytest.mark.parametrize("looks", [False, True], ids=["buffered", "written"])
@pytest.mark.parametrize("fails", [False, True], ids=["kept", "undone"])
def test_rows_of_a_change_are_written_or_undone_with_it(world: World, looks: bool, fails: bool) -> None:
    steps, into = Steps(world), "meta"

    def change(name: str, looks: bool, fails: bool) -> None:
        def run(tx: Tx) -> None:
            tx.insert(into, f"{name}/1", b"1")
            if looks:
                assert tx.db.execute("SELECT value FROM meta WHERE key=?", (f"{name}/1",)).fetchone() == (b"1",)
            tx.insert(into, f"{name}/2", b"2")
            if fails:
                raise KeyError(name)

        steps.writer.submit(run)

    change("a", False, False)
    change("b", looks, fails)
    change("c", True, False)
    steps.writer.step()
    found = world.exchanges["xa-ca"].store.writer.execute("SELECT key FROM meta WHERE key LIKE '_/_' ORDER BY key").fetchall()
    assert [key for (key,) in found] == ["a/1", "a/2", *([] if fails else ["b/1", "b/2"]), "c/1", "c/2"]


def test_beside_urgent_ones_the_wal_is_carried_over_in_smaller_pieces_and_never_in_a_group_of_theirs(world: World) -> None:
    """They wait for the commit that does it: 64 MiB take a tenth of a second."""
    steps, db = Steps(world), world.exchanges["xa-ca"].store.writer

    def pages(*, urgent: bool) -> int:
        steps.queue("", urgent=urgent)
        steps.step()
        return int(db.execute("PRAGMA wal_autocheckpoint").fetchone()[0])

    assert pages(urgent=False) == CARRY_OVER
    assert pages(urgent=True) == CARRY_OVER
    assert pages(urgent=False) == CARRY_OVER // 4
    assert pages(urgent=True) == CARRY_OVER
    world.clock.advance(1000)
    assert pages(urgent=False) == CARRY_OVER
