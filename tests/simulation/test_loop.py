"""The loop: virtual time, one step at a time, and the same seed does the same again."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator

import pytest

from tests.simulation.loop import Killed, Stuck, VirtualLoop, Waited
from tests.simulation.test_scenarios import simulate


@pytest.fixture
def loop() -> Iterator[VirtualLoop]:
    made = VirtualLoop(random.Random(1), threads=1.0)
    yield made
    made.end_workers()
    made.close()


def test_time_passes_without_waiting(loop: VirtualLoop) -> None:
    loop.run_until_complete(asyncio.sleep(86400 * 365))
    assert loop.time() >= 86400 * 365


def _orders(seed: int) -> list[int]:
    made, order = VirtualLoop(random.Random(seed)), []

    async def one(number: int) -> None:
        await asyncio.sleep(0)
        order.append(number)

    async def main() -> None:
        async with asyncio.TaskGroup() as tasks:
            for number in range(6):
                tasks.create_task(one(number))

    made.run_until_complete(main())
    made.close()
    return order


def test_the_seed_draws_who_is_next() -> None:
    assert _orders(3) == _orders(3)
    assert len({tuple(_orders(seed)) for seed in range(40)}) > 20


def test_a_worker_that_waits_lets_others_run(loop: VirtualLoop) -> None:
    future, order = type("Here", (Waited,), {"loop": loop})(), []

    def first() -> None:
        order.append("waits")
        order.append(future.result())

    async def main() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(asyncio.to_thread(first))
            await asyncio.sleep(1)
            order.append("meanwhile")
            future.set_result("goes on")

    loop.run_until_complete(main())
    assert order == ["waits", "meanwhile", "goes on"]


def test_who_waits_for_ever_is_found_at_once(loop: VirtualLoop) -> None:
    with pytest.raises(Stuck):
        loop.run_until_complete(asyncio.Event().wait())
    loop.set_exception_handler(lambda *_: None)
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.run_until_complete(asyncio.sleep(0))


def test_a_death_reaches_nobody_as_an_error(loop: VirtualLoop) -> None:
    def die() -> None:
        raise Killed

    async def main() -> None:
        with pytest.raises(asyncio.CancelledError):
            await asyncio.to_thread(die)

    loop.run_until_complete(main())
    assert loop.unhandled == []


def test_the_same_seeds_are_the_same_runs_in_another_process(tmp_path) -> None:
    runs = [simulate("--seeds", "3-6", "--keep", str(tmp_path)) for _ in range(2)]
    assert runs[0]["crossed"] == runs[1]["crossed"]
    assert runs[0]["counts"] == runs[1]["counts"]
