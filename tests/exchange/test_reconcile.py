"""What a start makes of guard and witnesses: go on, take in alone, or hold; and what a held log does."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from exchange import codes
from exchange.exchange import Exchange, Identity
from exchange.guard import Standing
from exchange.reconcile import Asked, Verdict, judge, on_other_hardware, read_head
from keys.prekeys import PrekeyStore
from keys.suite import SUITE
from protocol.checkpoint import Checkpoint, Head, sign_head
from protocol.entries import Filler, Lane
from protocol.errors import PassingError, RogatoryError
from tests.exchange.forgery import changes
from tests.world import World, make_world

A, B, C = "xa-ca", "xb-ca", "xc-ca"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = make_world(tmp_path, (A, B, C))
    made.exchange_prekeys()
    yield made
    made.close()


def _held(world: World, name: str = A) -> Exchange:
    """The exchange as the node opens it: nothing said, nothing signed."""
    home, holding = world.home(name), world.holdings[name]
    record = world.directory.log_in_force(name)
    identity = Identity(record.origin, record.keys, holding.log, PrekeyStore(home.prekeys, holding.prekey_key), holding.storage, holding.witness)
    exchange = Exchange(
        home.data, home.guard, identity, lambda: world.directory, SUITE, world.clock, on_fatal=world.fatal.append, held=True
    )
    world.exchanges[name] = exchange
    return exchange


def _again(world: World, tamper: Callable[[], object] = lambda: None) -> Exchange:
    world.exchanges.pop(A).close()
    tamper()
    return _held(world)


def _code(act: Callable[[], object]) -> str:
    with pytest.raises(RogatoryError) as caught:
        act()
    return caught.value.code.code


def _shown(world: World, exchange: Exchange) -> dict[str, Head | None]:
    """What the two others show of this log."""
    found = {}
    for name in (B, C):
        record = world.exchanges[name].peers.record(exchange.log.origin)
        found[name] = None if record is None else read_head(record.greatest.note, exchange.log.keys, SUITE)
    return found


# -- judging -------------------------------------------------------------------------------------------------------------------


def test_guard_on_this_history_and_one_witness_go_on(world: World) -> None:
    exchange = _again(world)
    assert exchange.log.standing is Standing.ON
    shown = _shown(world, exchange)
    assert shown[B] is not None
    assert judge(exchange.log, Asked(2, 2, {B: shown[B]}), elsewhere=False).verdict is Verdict.GO
    assert judge(exchange.log, Asked(2, 2, {C: None}), elsewhere=False).verdict is Verdict.GO


def test_nobody_answers(world: World) -> None:
    exchange = _again(world)
    alone = judge(exchange.log, Asked(2, 2, {}), elsewhere=False)
    assert (alone.verdict, alone.code) == (Verdict.ALONE, codes.LOG_ALONE)
    assert judge(exchange.log, Asked(2, 2, {}), elsewhere=True).verdict is Verdict.GO
    assert judge(exchange.log, Asked(0, 0, {}), elsewhere=False).verdict is Verdict.GO


def test_guard_missing_waits_for_a_quorum(world: World) -> None:
    exchange = _again(world, world.home(A).guard.unlink)
    shown = _shown(world, exchange)
    one = judge(exchange.log, Asked(2, 2, {B: shown[B]}), elsewhere=True)
    assert (one.verdict, one.code) == (Verdict.HOLD, codes.GUARD_MISSING)
    with changes(exchange):
        assert _code(lambda: exchange.writer.run(lambda tx: tx.append(Filler))) == "LOG-UNSURE"
    assert judge(exchange.log, Asked(2, 2, shown), elsewhere=False).verdict is Verdict.GO
    assert judge(exchange.log, Asked(0, 0, {}), elsewhere=False).verdict is Verdict.GO  # nobody else is in the network
    exchange.release()
    exchange.begin()
    assert exchange.log.head().size == exchange.log.size


def _put_back(world: World, copy: Path, *, guard: bool) -> Exchange:
    """The machine burns; an old copy is put back, with or without the guard of that time."""
    world.exchanges.pop(A).close()
    shutil.rmtree(world.home(A).data)
    shutil.copytree(copy / "data", world.home(A).data)
    if guard:
        shutil.copyfile(copy / "guard", world.home(A).guard)
    return _held(world)


def _copy(world: World, folder: Path) -> None:
    world.exchanges.pop(A).close()
    shutil.copytree(world.home(A).data, folder / "data")
    shutil.copyfile(world.home(A).guard, folder / "guard")
    world.open(A)


@pytest.mark.parametrize("guard", [True, False])
def test_OPS_8_and_DB_10_an_old_copy_signs_nothing(world: World, tmp_path: Path, guard: bool) -> None:
    """I12. With the guard rolled back too only the witnesses know."""
    _copy(world, tmp_path / "copy")
    world.send(A, B, b"{}")
    world.deliver(A, B)
    exchange = _put_back(world, tmp_path / "copy", guard=guard)
    assert exchange.log.standing is (Standing.ON if guard else Standing.AHEAD)
    found = judge(exchange.log, Asked(2, 2, _shown(world, exchange)), elsewhere=False)
    assert (found.verdict, found.code) == (Verdict.HOLD, codes.LOG_AMNESIA)
    assert found.beyond is not None
    assert found.beyond.size > exchange.log.size
    silent = judge(exchange.log, Asked(2, 2, {}), elsewhere=False)
    assert silent.verdict is (Verdict.ALONE if guard else Verdict.HOLD)
    assert exchange.log.signed is None
    if not guard:
        assert _code(exchange.release) == "GUARD-AHEAD"


def test_DB_5_the_last_leaves_and_their_heads_are_gone(world: World) -> None:
    """Entries, tiles and heads agree; only guard and witnesses know better."""
    world.send(A, B, b"{}")
    world.deliver(A, B)
    log = world.exchanges[A].log
    size = log.size - 1
    root = world.exchanges[A].store.reader().execute("SELECT root FROM head WHERE n=1 AND size=?", (size,)).fetchone()
    assert root is not None

    def cut() -> None:
        db = sqlite3.connect(world.home(A).data / "exchange.sqlite")
        db.execute("DELETE FROM entry WHERE idx>=?", (size,))
        db.execute("DELETE FROM head WHERE size>?", (size,))
        db.execute("UPDATE tile SET hashes=substr(hashes, 1, ?)", (32 * size,))
        db.commit()
        db.close()

    exchange = _again(world, cut)
    assert (exchange.log.size, exchange.log.standing) == (size, Standing.AHEAD)
    assert judge(exchange.log, Asked(2, 2, {}), elsewhere=True).code is codes.GUARD_AHEAD


def test_a_head_beside_our_history_holds_the_log(world: World) -> None:
    exchange = _again(world)
    log, pair = exchange.log, world.holdings[A].log
    said = Checkpoint(log.origin, log.size - 1, bytes(32))
    forged = read_head(sign_head(said, 1_795_500_000, pair, log.keys), log.keys, SUITE)
    found = judge(log, Asked(2, 2, {B: forged}), elsewhere=True)
    assert (found.verdict, found.code) == (Verdict.HOLD, codes.LOG_AMNESIA)
    stranger = world.holdings[B].log
    unsigned = sign_head(said, 1_795_500_000, stranger, stranger.log_keys(log.origin))
    assert read_head(unsigned, log.keys, SUITE) is None


def test_the_guard_elsewhere_is_seen_by_its_device(tmp_path: Path) -> None:
    assert not on_other_hardware(tmp_path, tmp_path)
    assert not on_other_hardware(tmp_path / "missing", tmp_path)
    assert on_other_hardware(Path("/proc/self"), tmp_path)


# -- alone ----------------------------------------------------------------------------------------------------------------------


def test_alone_it_takes_in_stores_and_rings_and_signs_nothing(world: World) -> None:
    world.send(B, A, b"{}", lane=Lane.URGENT)
    exchange = _again(world)
    rang: list[object] = []
    exchange.inbox.on_consigned = rang.append
    exchange.take_in(codes.LOG_ALONE)
    exchange.begin()
    world.exchanges[B].links.hint(A, exchange.peers.greatest(B))
    bag = world.exchanges[B].outbox.bag(A, Lane.URGENT)
    assert bag is not None
    guard = exchange.guard.value
    with pytest.raises(PassingError) as caught:
        exchange.inbox.receive(B, bag.frame)
    assert caught.value.code is codes.LOG_ALONE
    assert len(rang) == 1
    assert len(exchange.messages.inbox()) == 1
    sent = world.send(A, B, b"{}")
    assert exchange.messages.find(sent.hash).deliveries[0].state == "queued"
    assert _code(lambda: exchange.outbox.bag(B, Lane.ROUTINE)) == "LOG-ALONE"
    assert (exchange.guard.value, exchange.log.signed) == (guard, None)
    exchange.release()
    world.exchanges[B].retries.hasten(A)
    world.deliver(B, A, Lane.URGENT)
    world.deliver(A, B)
    assert exchange.messages.find(sent.hash).deliveries[0].state == "delivered"
    assert world.exchanges[B].messages.find(bag.rows[0].hash).deliveries[0].state == "delivered"
    assert len(rang) == 1


def test_GUARD_3_a_machine_put_back_holds_before_its_next_signature(world: World) -> None:
    exchange = world.exchanges[A]
    size = exchange.log.head().size
    exchange.log.steady = lambda: False
    exchange.writer.run(lambda tx: tx.append(Filler))
    assert exchange.log.hold is codes.LOG_UNSURE
    assert exchange.guard.value is not None
    assert (exchange.guard.value.size, exchange.log.size) == (size, size + 1)
    assert _code(exchange.log.head) == "LOG-UNSURE"
    exchange.log.steady = lambda: True
    exchange.release()
    assert exchange.log.head().size == size + 1
