"""`rogatory bench urgent`: how long an urgent message takes from submit to its receipt, alone, past a full routine queue, and in a flood.

    rogatory bench urgent --flood --json

    idle      urgent messages at mixed intervals, nothing else
    loaded    the same, thousands of routine messages queued throughout; before and after it a window of routine messages alone
    flooded   the same load, and a third authority that floods the recipient from another address (node/benches/flood.py)

Both nodes are processes of their own; bodies are 4 KiB. The queue is filled before they start and due after the idle phase; while it is
carried, a new message is sealed and submitted for each that got its receipt.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, NamedTuple

import click

from node.benches.flood import HANDSHAKES, RATE, flooding, pack_flood
from node.benches.grown import fill_queue
from node.benches.load import BODY, Load
from node.benches.pair import RECIPIENT, SENDER, Figures, drive_homes
from node.benches.probe import MEAN_GAP, Probe, percentile
from node.benches.unwired import opened
from node.clock import SystemClock, monotonic_ms
from node.exercise import found_world
from node.node import Node
from protocol.entries import Lane

_FLOODER: Final = "xc-ca"
_FIRST: Final = 5  # messages before anything is measured: connections, prekeys
_WARM_UP: Final = 2.0  # seconds
_LONGEST: Final = 10.0  # seconds of a window of routine messages alone
_LOOK: Final = 0.05  # seconds between two looks at the queue
_PATIENCE: Final = 240.0  # seconds beyond what the schedules take
_HOLD: Final = "UPDATE delivery SET state='held' WHERE lane=?"  # whatever makes things due at a start leaves these alone
_RELEASE: Final = "UPDATE delivery SET state='queued', due=? WHERE lane=?"
_PACKED: Final = 1.2  # of the seconds that the schedule alone takes


class _Options(NamedTuple):
    samples: int
    idle: int
    load: bool
    window: float  # seconds of routine messages alone; 0: none


@click.command()
@click.option("--samples", type=click.IntRange(10, 1_000_000), default=1000, show_default=True, help="Urgent messages, in each phase.")
@click.option("--queue", type=click.IntRange(0, 10_000_000), default=20_000, show_default=True, help="Routine messages queued; 0: no load.")
@click.option("--flood", is_flag=True, help="Once more while a third authority floods the recipient.")
@click.option("--json", "as_json", is_flag=True, help="Only the JSON object.")
def urgent(samples: int, queue: int, flood: bool, as_json: bool) -> None:
    """Submit to receipt of urgent messages: alone, past a full routine queue, in a flood."""

    def say(text: str) -> None:
        if not as_json:
            click.echo(text, err=True)

    options = _Options(samples, samples, bool(queue), min(_LONGEST, samples * MEAN_GAP / 4) if queue else 0)
    with tempfile.TemporaryDirectory(prefix="rogatory-bench-") as name:
        say(f"{samples} urgent messages, nothing else; then {samples} past {queue} routine ones")
        result = _run(Path(name) / "calm", options, queue)
        if flood:
            say(f"the same in a flood of {RATE} bytes and {HANDSHAKES} handshakes a second")
            result |= {f"flood_{name}": value for name, value in _flooded(Path(name) / "flood", options, queue).items()}
    click.echo(json.dumps(result | {"load_average": round(os.getloadavg()[0], 1)}))


def _run(folder: Path, options: _Options, queue: int) -> Figures:
    places = found_world(folder, (SENDER, RECIPIENT), SystemClock().now()).places
    return _drive_pair(places[SENDER].home.path, places[RECIPIENT].home.path, options, queue)


def _flooded(folder: Path, options: _Options, queue: int) -> Figures:
    """A world of its own: three authorities, the third of which is no node but the flood."""
    places = found_world(folder, (SENDER, RECIPIENT, _FLOODER), SystemClock().now()).places
    sender, recipient, flooder = (places[name].home.path for name in (SENDER, RECIPIENT, _FLOODER))
    count = math.ceil(_PACKED * options.samples * MEAN_GAP * RATE / BODY)
    pack_flood(flooder, recipient, folder / "frames", count, sender)
    with flooding(flooder, recipient, folder / "frames") as flood:
        measured = _drive_pair(sender, recipient, options._replace(idle=0, window=0), queue)
    seconds = flood["ms"] / 1000
    said = {name: count for name, count in flood.items() if name == "taken" or name.startswith("status_")}
    return measured | said | {f"{name}_per_second": round(flood[name] / seconds, 1) for name in ("bytes", "knocks", "handshakes")}


def _drive_pair(sender: Path, recipient: Path, options: _Options, queue: int) -> Figures:
    if queue:
        fill_queue(sender, RECIPIENT, queue, BODY)
        with opened(sender) as exchange:
            exchange.writer.run(lambda tx: tx.db.execute(_HOLD, (int(Lane.ROUTINE),)).rowcount)
    found = drive_homes(sender, recipient, _drive, options, _PATIENCE + 8 * options.samples * MEAN_GAP)
    for name in ("urgent_idle", "urgent"):
        latencies = found.pop(name)
        if latencies:
            found[f"{name}_samples"] = len(latencies)
            found |= {f"{name}_p{percent}_ms": round(percentile(latencies, percent), 1) for percent in (50, 99, 100)}
    return found


# -- in the sender's process ----------------------------------------------------------------------------------------------------------


async def _drive(node: Node, recipient: int, options: _Options) -> Figures:  # noqa: ARG001 - as ``pair`` calls it
    probe = Probe(node, RECIPIENT, Lane.URGENT)
    await probe.one_by_one(_FIRST)
    idle = await probe.mixed(options.idle)
    if not options.load:
        return {"urgent_idle": idle, "urgent": await probe.mixed(options.samples)}
    lane = int(Lane.ROUTINE)
    change = node.exchange.writer.submit(lambda tx: tx.db.execute(_RELEASE, (tx.time, lane)).rowcount)
    load = Load(node, RECIPIENT, 0, before=await asyncio.wrap_future(change))
    node.couriers[RECIPIENT].wake(Lane.ROUTINE)
    async with load.running(), _lowest(load) as lowest:
        await load.warmed_up(_WARM_UP)
        alone = [await _rate(load, options.window)] if options.window else []
        began, receipts = monotonic_ms(), load.receipts
        latencies = await probe.mixed(options.samples)
        rate = 1000 * (load.receipts - receipts) / (monotonic_ms() - began)
        alone += [await _rate(load, options.window)] if options.window else []
    figures = {"urgent_idle": idle, "urgent": latencies, "routine_messages_per_second": round(rate, 1), "routine_queue_min": min(lowest)}
    if alone:
        mean = sum(alone) / len(alone)
        figures |= {"routine_alone_per_second": round(mean, 1), "routine_rate_ratio": round(rate / mean, 3)}
    return figures


async def _rate(load: Load, seconds: float) -> float:
    """Receipts a second, for so many seconds and at least until one came."""
    began, receipts = monotonic_ms(), load.receipts
    while True:
        await asyncio.sleep(seconds)
        if load.receipts > receipts:
            return 1000 * (load.receipts - receipts) / (monotonic_ms() - began)


@asynccontextmanager
async def _lowest(load: Load) -> AsyncIterator[list[int]]:
    """How many were queued at the least, looked at all the time while this context is open."""
    seen = [load.queued]

    async def look() -> None:
        while True:
            await asyncio.sleep(_LOOK)
            seen[0] = min(seen[0], load.queued)

    async with asyncio.TaskGroup() as tasks:
        looking = tasks.create_task(look())
        try:
            yield seen
        finally:
            looking.cancel()
