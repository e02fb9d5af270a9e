"""Runs one plan: everything that a run replaces is put in its place, and back again; what was found is counted."""

from __future__ import annotations

import asyncio
import logging
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import structlog

import exchange.store
from tests.simulation.authority import SteppedWriter
from tests.simulation.ledger import Violation
from tests.simulation.loop import Stuck, Waited
from tests.simulation.plan import Plan
from tests.simulation.points import Patches, here, watching
from tests.simulation.suite import FastPrekeySecret
from tests.simulation.world import MEMORY, World

migrations = cache(exchange.store.migrations)  # files of the release: read once, not by every life


@dataclass
class Outcome:
    """What became of a plan."""

    plan: Plan
    violation: Violation | None = None
    accepted: int = 0
    fired: int = 0
    steps: int = 0
    seconds: float = 0.0  # virtual
    counts: Counter[str] = field(default_factory=Counter)
    crossed: Counter[tuple[str, str, str]] = field(default_factory=Counter)  # kind, point, before or after
    trace: int = 0
    waits: dict[str, list[float]] = field(default_factory=dict)  # by recipient: seconds from 202 until the sender knew of the delivery


@contextmanager
def simulated(world: World) -> Iterator[Patches]:
    """Everything that a run replaces: the clocks, the writer's thread, and in most seeds the suite."""
    import exchange.exchange
    import exchange.peering.prekeyshelf
    import exchange.writer
    import keys.prekeys
    import node.carrying.breaker
    import node.clock
    import node.peerport.peerserver
    import node.witnessing.reconciler
    import node.witnessing.visits

    with watching() as patches:
        patches.set(exchange.store, "migrations", migrations)
        patches.set(node.witnessing.reconciler, "_TICK", 1.0)  # nodes that look whether something has changed draw half of all steps
        patches.set(node.witnessing.visits, "TICK", 1.0)
        patches.set(node.clock, "_monotonic", world.monotonic)
        patches.set(node.clock, "_wall", world.wall)
        patches.set(node.carrying.breaker, "os", SimpleNamespace(urandom=world.rng.randbytes))
        patches.set(node.peerport.peerserver, "peer_authority", lambda connection, pins: connection)
        patches.set(exchange.exchange, "Writer", SteppedWriter)
        future = type("Future", (Waited,), {"loop": world.loop, "pump": lambda self: here.get().writer.pump()})  # type: ignore[union-attr]
        patches.set(exchange.writer, "Future", future)
        patches.set(node.witnessing.reconciler, "SUITE", world.suite)
        if not world.plan.real:
            patches.set(keys.prekeys, "PrekeySecret", FastPrekeySecret)
            patches.set(exchange.peering.prekeyshelf, "sound_prekey", lambda public: True)
        yield patches


@contextmanager
def quiet() -> Iterator[None]:
    """The node's log lines go nowhere, and the settings of whoever runs us come back."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL), cache_logger_on_first_use=False)
    try:
        yield
    finally:
        structlog.configure(**before)


def run(plan: Plan, plant: Callable[[World, Patches], None] | None = None) -> Outcome:
    """Run a plan; what it found. ``plant``: puts a mistake in."""
    folder = Path(tempfile.mkdtemp(prefix="simulation-", dir=MEMORY if MEMORY.is_dir() else None))
    world = World(plan, folder)
    outcome = Outcome(plan, counts=world.counts, crossed=world.trouble.crossed)
    try:
        with quiet(), simulated(world) as patches:
            if plant is not None:
                plant(world, patches)
            asyncio.set_event_loop(world.loop)
            try:
                outcome.violation = _go(world)
            finally:
                _end(world)
    finally:
        asyncio.set_event_loop(None)
        shutil.rmtree(folder, ignore_errors=True)
    outcome.accepted, outcome.fired, outcome.steps = len(world.ledger.accepted), world.trouble.fired, world.loop.steps
    outcome.seconds = world.loop.time()
    for found in world.ledger.accepted.values():
        for peer, at in found.delivered.items():
            outcome.waits.setdefault(peer, []).append(at - found.at)
    outcome.trace = hash((world.loop.steps, round(world.loop.time() * 1e6), tuple(sorted(world.trouble.crossed.items()))))
    world.counts.update({f"net {name}": count for name, count in world.network.counts.items()})
    world.counts.update({f"check {name}": count for name, count in world.ledger.checks.items()})
    return outcome


def _go(world: World) -> Violation | None:
    try:
        world.loop.run_until_complete(world.main())
    except Violation as violation:
        return violation
    except Stuck:
        return Violation("I11", "nobody will ever be woken again")
    except RuntimeError:
        if world.ledger.violation is None:
            raise
    if world.ledger.violation is None and world.loop.unhandled:
        return Violation("I10", f"a task ended by {world.loop.unhandled[0]!r}")
    return world.ledger.violation


def _end(world: World) -> None:
    """Let go of everything, without a word."""
    for life in world.lives.values():
        if life is not None:
            life.dead = True
            if life.writer is not None:
                life.writer.abandon()
    world.loop.set_exception_handler(lambda *_: None)
    for task in asyncio.all_tasks(world.loop):
        task.cancel()
    world.ledger._broken = lambda: None
    world.loop._timers.clear()  # what the plan had for later
    settling = world.loop.create_task(_settle())
    settling.add_done_callback(lambda done: world.loop.stop())
    with suppress(Stuck):
        while not settling.done():  # what was about to stop the loop may do so now
            world.loop.run_forever()
    for life in world.lives.values():
        if life is not None:
            life._close()
    world.loop.end_workers()
    world.loop.close()


async def _settle() -> None:
    current = asyncio.current_task()
    for _ in range(50):
        rest = [task for task in asyncio.all_tasks() if task is not current]
        if not rest:
            return
        for task in rest:
            task.cancel()
        await asyncio.sleep(1)
