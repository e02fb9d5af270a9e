"""Commit, guard, sign, speak: whatever a second process does between two of them, no two histories are signed."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from exchange import log as log_module
from exchange.exchange import Exchange, Identity
from exchange.guard import Guard, Guarded
from keys.prekeys import PrekeyStore
from keys.suite import SUITE
from protocol import merkle
from protocol.checkpoint import Checkpoint
from protocol.entries import Filler
from protocol.errors import LocalError
from tests.world import World, make_world

A = "xa-ca"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = make_world(tmp_path / "world", (A,))
    yield made
    made.close()


class Signed:
    """Every head that anybody signs, by whoever asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.heads: list[Checkpoint] = []
        self.pause: Callable[[], None] = lambda: None
        real = log_module.sign_head

        def sign(checkpoint: Checkpoint, *rest: object) -> bytes:
            self.pause()
            self.heads.append(checkpoint)
            return real(checkpoint, *rest)  # type: ignore[arg-type]

        monkeypatch.setattr(log_module, "sign_head", sign)

    def is_one_history(self, exchange: Exchange) -> bool:
        """Whether all of them are heads of this one log."""
        return all(merkle.root(head.size, exchange.log) == head.root for head in self.heads if head.size <= exchange.log.size)


def _second(world: World, copy: Path) -> Exchange:
    """Another process on a copy of the data as it is now, with the same guard; its lock was lost."""
    home, holding = world.home(A), world.holdings[A]
    shutil.copytree(home.data, copy)
    record = world.directory.log_in_force(A)
    identity = Identity(record.origin, record.keys, holding.log, PrekeyStore(home.prekeys, holding.prekey_key), holding.storage)
    exchange = Exchange(copy, home.guard, identity, lambda: world.directory, SUITE, world.clock)
    exchange.begin()
    exchange.writer.run(lambda tx: [tx.append(Filler) for _ in range(2)])
    return exchange


def _lose_lock(exchange: Exchange) -> None:
    handle = exchange.guard._file
    fcntl.flock(handle, fcntl.LOCK_UN)
    assert os.fstat(handle)


@pytest.mark.parametrize("point", ["before the commit", "before the guard", "before the signature", "before speaking"])
def test_GUARD_1_a_second_process_between_each_two_steps(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    first = world.exchanges[A]
    first.writer.run(lambda tx: tx.append(Filler))
    signed = Signed(monkeypatch)
    _lose_lock(first)
    others: list[Exchange] = []
    real_swap = Guard.swap

    def pause() -> None:
        if not others:
            signed.pause = lambda: None
            monkeypatch.setattr(Guard, "swap", real_swap)
            others.append(_second(world, tmp_path / "copy"))

    def swap(self: Guard, old: Guarded | None, new: Guarded) -> None:
        pause()
        real_swap(self, old, new)

    match point:
        case "before the commit":
            pause()
        case "before the guard":
            monkeypatch.setattr(Guard, "swap", swap)
        case "before the signature":
            signed.pause = pause
        case _:
            pass
    spoken = True
    try:
        first.writer.run(lambda tx: tx.append(Filler))
    except LocalError as error:
        assert error.code.code == "GUARD-LOST"
        spoken = False
    pause()
    [second] = others
    assert spoken == (point in ("before the signature", "before speaking"))
    assert signed.is_one_history(second)
    with pytest.raises(LocalError) as caught:
        first.writer.run(lambda tx: tx.append(Filler))
    assert caught.value.code.code == "GUARD-LOST"  # whoever lost the swap has ended
    second.writer.run(lambda tx: tx.append(Filler))
    assert signed.is_one_history(second)
    second.close()


def test_GUARD_2_a_replica_that_lost_rows_is_not_promoted(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = world.exchanges[A]
    first.writer.run(lambda tx: tx.append(Filler))
    shutil.copytree(world.home(A).data, tmp_path / "replica")
    first.writer.run(lambda tx: tx.append(Filler))
    world.close()
    shutil.rmtree(world.home(A).data)
    shutil.copytree(tmp_path / "replica", world.home(A).data)
    signed = Signed(monkeypatch)
    with pytest.raises(LocalError) as caught:
        world.open(A)
    assert caught.value.code.code == "GUARD-AHEAD"
    assert signed.heads == []
    world.exchanges.clear()
