"""Two real nodes in processes of their own, and a function that drives one of them from inside.

    figures = run_pair(folder, drive, options, limit=80)

    async def drive(node: Node, recipient: int, options: Options) -> Figures:    # in the sender's process

The function is found by its name in the other process, so it stands at the top of its module; options and figures are sent
between processes.
"""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Awaitable, Callable
from multiprocessing.process import BaseProcess
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event
from pathlib import Path
from queue import Empty
from typing import Any, Final

from node import codes, logs
from node.clock import SystemClock, monotonic_ms
from node.exercise import found_world
from node.heap import settle_children
from node.home import Home
from node.node import Node, economise
from protocol.errors import LocalError

SENDER: Final = "xa-ca"
RECIPIENT: Final = "xb-ca"

Figures = dict[str, Any]
Drive = Callable[[Node, int, Any], Awaitable[Figures]]


def run_pair(folder: Path, drive: Drive, options: object, limit: float) -> Figures:
    """What ``drive(sender's node, recipient's process id, options)`` gives, both nodes running. Founds a network in ``folder``.

    Raises BENCH-STUCK when a node does not start or no figures come within ``limit`` seconds.
    """
    world = found_world(folder, (SENDER, RECIPIENT), SystemClock().now())
    return drive_homes(world.places[SENDER].home.path, world.places[RECIPIENT].home.path, drive, options, limit)


def drive_homes(sender_home: Path, recipient_home: Path, drive: Drive, options: object, limit: float) -> Figures:
    """The same with two homes of one network that exist."""
    settle_children()  # as `rogatory run` does
    spawn = multiprocessing.get_context("spawn")
    ready, stop, results = spawn.Event(), spawn.Event(), spawn.Queue()
    recipient = spawn.Process(target=_run_recipient, args=(recipient_home, ready, stop), daemon=True)
    recipient.start()
    try:
        if not ready.wait(60) or recipient.pid is None:
            raise LocalError(codes.BENCH_STUCK, "the recipient's node did not start")
        sender = spawn.Process(target=_run_sender, args=(sender_home, drive, recipient.pid, options, results), daemon=True)
        sender.start()
        return _await_result(sender, results, limit)
    finally:
        stop.set()
        recipient.join(15)


def _await_result(sender: BaseProcess, results: Queue[Figures], limit: float) -> Figures:
    deadline = monotonic_ms() + 1000 * limit
    while monotonic_ms() < deadline and (sender.is_alive() or not results.empty()):
        try:
            measured = results.get(timeout=1)
        except Empty:
            continue
        sender.join(15)
        return measured
    raise LocalError(codes.BENCH_STUCK, "the sender's node gave no result")


def _opened(home: Path) -> Node:
    """As `rogatory run` opens it."""
    economise()
    return Node.open(Home(home))


def _run_recipient(home: Path, ready: Event, stop: Event) -> None:
    logs.set_up("warning", "json")
    asyncio.run(_serve(_opened(home), ready, stop))


async def _serve(node: Node, ready: Event, stop: Event) -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(node.serve())
        await node.ready.wait()
        ready.set()
        await asyncio.to_thread(stop.wait)
        node.stop()


def _run_sender(home: Path, drive: Drive, recipient: int, options: object, results: Queue[Figures]) -> None:
    logs.set_up("warning", "json")
    asyncio.run(_drive(_opened(home), drive, recipient, options, results))


async def _drive(node: Node, drive: Drive, recipient: int, options: object, results: Queue[Figures]) -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(node.serve())
        await node.ready.wait()  # its rooms are in place: what is hooked in now stays
        results.put(await drive(node, recipient, options))
        node.stop()
