"""Measuring: two real nodes on this machine, everything on, and beside them the floor that no implementation goes below.

    rogatory bench exchange --seconds 20 --json

A message counts when its receipt is verified and committed at the sender. The load is made inside the sender's process,
sealing included; bodies are 4 KiB, each unique. The floor (bench/floor.py, no product import) runs in the same call, so that
ratios hold on a noisy machine.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from multiprocessing.process import BaseProcess
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event
from pathlib import Path
from queue import Empty

import click

from exchange.notice import Notice
from exchange.sealing import Draft
from node import codes, logs
from node.clock import SystemClock, monotonic_ms
from node.exercise import found_world
from node.home import Home
from node.node import Node
from protocol import limits
from protocol.delivery import State
from protocol.errors import LocalError
from protocol.names import Office

BODY = 4096
_WARM_UP = 2.0  # seconds
_IN_FLIGHT = 1024
_SENDER, _RECIPIENT = "xa-ca", "xb-ca"


@click.group()
def bench() -> None:
    """Measure this machine: exchange."""


@bench.command()
@click.option("--seconds", type=click.FloatRange(1, 3600), default=20.0, show_default=True, help="The window that is counted.")
@click.option("--in-flight", type=click.IntRange(1, 100_000), default=_IN_FLIGHT, show_default=True, help="Messages without a receipt yet.")
@click.option("--json", "as_json", is_flag=True, help="Only the JSON object.")
def exchange(seconds: float, in_flight: int, as_json: bool) -> None:
    """Messages per second between two nodes, sealed, logged, carried, receipted."""
    floor = _floor(max(2.0, seconds / 5))
    with tempfile.TemporaryDirectory(prefix="rogatory-bench-") as folder:
        result = {**_exchange(Path(folder), seconds, in_flight), "floor_messages_per_second": floor}
    result["ratio_to_floor"] = round(result["messages_per_second"] / floor, 3)
    if not as_json:
        rate, ratio, pouch = (result[name] for name in ("messages_per_second", "ratio_to_floor", "mean_pouch"))
        click.echo(f"{rate:.0f} messages/s, {ratio:.2f} of the floor, pouch {pouch}")
    click.echo(json.dumps(result))


def _floor(seconds: float) -> float:
    """bench/floor.py in processes of its own."""
    script = Path(__file__).parents[1] / "bench" / "floor.py"
    command = [sys.executable, str(script), "--seconds", str(seconds)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(json.loads(done.stdout.splitlines()[-1])["floor_messages_per_second"])


def _exchange(folder: Path, seconds: float, in_flight: int) -> dict[str, float]:
    world = found_world(folder, (_SENDER, _RECIPIENT), SystemClock().now())
    spawn = multiprocessing.get_context("spawn")
    ready, stop, results = spawn.Event(), spawn.Event(), spawn.Queue()
    recipient = spawn.Process(target=_run_recipient, args=(world.places[_RECIPIENT].home.path, ready, stop), daemon=True)
    recipient.start()
    try:
        if not ready.wait(60) or recipient.pid is None:
            raise LocalError(codes.BENCH_STUCK, "the recipient's node did not start")
        home = world.places[_SENDER].home.path
        sender = spawn.Process(target=_run_sender, args=(home, seconds, in_flight, recipient.pid, results), daemon=True)
        sender.start()
        return _await_result(sender, results, seconds + 60)
    finally:
        stop.set()
        recipient.join(15)


def _await_result(sender: BaseProcess, results: Queue[dict[str, float]], limit: float) -> dict[str, float]:
    """What the sender measured. Raises BENCH-STUCK when it ends or hangs without a result."""
    deadline = monotonic_ms() + 1000 * limit
    while monotonic_ms() < deadline and (sender.is_alive() or not results.empty()):
        try:
            measured = results.get(timeout=1)
        except Empty:
            continue
        sender.join(15)
        return measured
    raise LocalError(codes.BENCH_STUCK, "the sender's node gave no result")


def _run_recipient(home: Path, ready: Event, stop: Event) -> None:
    logs.set_up("warning", "json")
    asyncio.run(_serve(Node.open(Home(home)), ready, stop))


async def _serve(node: Node, ready: Event, stop: Event) -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(node.serve())
        ready.set()
        await asyncio.to_thread(stop.wait)
        node.stop()


def _run_sender(home: Path, seconds: float, in_flight: int, recipient: int, results: Queue[dict[str, float]]) -> None:
    logs.set_up("warning", "json")
    asyncio.run(_drive(Node.open(Home(home)), seconds, in_flight, recipient, results))


async def _drive(node: Node, seconds: float, in_flight: int, recipient: int, results: Queue[dict[str, float]]) -> None:
    load = _Load(node, in_flight)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(node.serve())
        feeding = threading.Thread(target=load.feed, daemon=True)
        feeding.start()
        await asyncio.sleep(_WARM_UP)
        before = load.sample(recipient)
        await asyncio.sleep(seconds)
        after = load.sample(recipient)
        results.put(_compare(before, after))
        load.running = False
        load.room.release()
        await asyncio.to_thread(feeding.join)
        node.stop()


class _Load:
    """Keeps a number of messages in flight, and counts receipts."""

    def __init__(self, node: Node, in_flight: int) -> None:
        self.running = True
        self.room = threading.Semaphore(in_flight)
        self._node = node
        self._receipts = 0
        self._tell = node.exchange.outbox.on_receipt
        node.exchange.outbox.on_receipt = self._receipt

    def _receipt(self, told: Sequence[Notice]) -> None:
        self._receipts += sum(each.state is State.DELIVERED for each in told)
        self._tell(told)
        self.room.release(len(told))

    def feed(self) -> None:
        """Seal and submit until told to end. Runs on a thread of its own."""
        outbox, clock = self._node.exchange.outbox, self._node.clock
        to = (Office(_RECIPIENT, "247"),)
        while self.running:
            self.room.acquire()
            draft = Draft("247", to, "EE_PRESERVE", os.urandom(BODY), clock.now() + limits.DAY)
            outbox.submit(outbox.seal(draft))

    def sample(self, recipient: int) -> dict[str, float]:
        """Everything counted so far; CPU in microseconds."""
        contacts = self._node.couriers[_RECIPIENT].contacts
        return {
            "ms": monotonic_ms(),
            "receipts": self._receipts,
            "pouches": contacts.pouches,
            "items": contacts.items,
            "sender": _cpu_us(os.getpid()),
            "recipient": _cpu_us(recipient),
        }


def _compare(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    moved = {name: after[name] - before[name] for name in before}
    messages = max(1.0, moved["receipts"])
    return {
        "messages_per_second": round(1000 * moved["receipts"] / moved["ms"], 1),
        "sender_us": round(moved["sender"] / messages, 1),
        "recipient_us": round(moved["recipient"] / messages, 1),
        "cpu_us_per_message": round((moved["sender"] + moved["recipient"]) / messages, 1),
        "mean_pouch": round(moved["items"] / max(1.0, moved["pouches"]), 1),
        "seconds": round(moved["ms"] / 1000, 2),
    }


def _cpu_us(pid: int) -> float:
    """User and system time of a process (Linux), in microseconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1e6 / os.sysconf("SC_CLK_TCK")
