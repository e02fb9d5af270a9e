"""`rogatory bench exchange`: messages per second between two nodes, and beside them the floor that no implementation goes below.

    rogatory bench exchange --seconds 20 --json

A message counts when its receipt is verified and committed at the sender. The load is made inside the sender's process,
sealing included; bodies are 4 KiB, each unique. Before it, one message at a time; beside it, the memory of both nodes.
The floor (bench/floor.py, no product import) runs in the same call, so that ratios hold on a noisy machine.
"""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
from pathlib import Path
from typing import Final, NamedTuple

import click

from node.benches.independent import floor
from node.benches.load import Load
from node.benches.pair import RECIPIENT, Figures, run_pair
from node.benches.probe import Probe, percentile
from node.benches.sample import Slope, cpu_us
from node.clock import monotonic_ms
from node.node import Node
from protocol.entries import Lane

_WARM_UP: Final = 2.0  # seconds
_IN_FLIGHT: Final = 1024
_FIRST: Final = 5  # messages before anything is measured: connections, prekeys
_ALONE: Final = 100  # one at a time
_LOOK: Final = 0.1  # seconds between two looks at memory; many, because pouches of megabytes come and go


class _Options(NamedTuple):
    seconds: float
    in_flight: int


@click.command()
@click.option("--seconds", type=click.FloatRange(1, 3600), default=20.0, show_default=True, help="The window that is counted.")
@click.option("--in-flight", type=click.IntRange(1, 100_000), default=_IN_FLIGHT, show_default=True, help="Messages without a receipt yet.")
@click.option("--json", "as_json", is_flag=True, help="Only the JSON object.")
def exchange(seconds: float, in_flight: int, as_json: bool) -> None:
    """Messages per second between two nodes, sealed, logged, carried, receipted."""
    lowest = floor(max(2.0, seconds / 5))
    with tempfile.TemporaryDirectory(prefix="rogatory-bench-") as folder:
        measured = run_pair(Path(folder), _drive, _Options(seconds, in_flight), seconds + 60)
    result = {**measured, "floor_messages_per_second": lowest}
    result["ratio_to_floor"] = round(result["messages_per_second"] / lowest, 3)
    if not as_json:
        rate, ratio, pouch = (result[name] for name in ("messages_per_second", "ratio_to_floor", "mean_pouch"))
        click.echo(f"{rate:.0f} messages/s, {ratio:.2f} of the floor, pouch {pouch}")
    click.echo(json.dumps(result))


async def _drive(node: Node, recipient: int, options: _Options) -> Figures:
    probe = Probe(node, RECIPIENT, Lane.ROUTINE)
    await probe.one_by_one(_FIRST)
    alone = await probe.one_by_one(_ALONE)
    load = Load(node, RECIPIENT, options.in_flight)
    memory = {"sender": Slope(os.getpid()), "recipient": Slope(recipient)}
    async with load.running():
        await load.warmed_up(_WARM_UP)
        before, load.largest = _sample(node, load, recipient), 0
        looks = round(options.seconds / _LOOK)
        for step in range(1, looks + 1):
            await asyncio.sleep(max(0.0, (before["ms"] - monotonic_ms()) / 1000 + step * options.seconds / looks))
            if step > looks // 4:  # the last three quarters count
                for each in memory.values():
                    each.look()
        measured = _compare(before, _sample(node, load, recipient))
    return {
        **measured,
        "pouch_max": load.largest,
        "idle_p50_ms": round(percentile(alone, 50), 2),
        "idle_p99_ms": round(percentile(alone, 99), 2),
        "rss_slope_mib_per_min": {name: round(each.mib_per_minute(), 3) for name, each in memory.items()},
        "load_average": round(os.getloadavg()[0], 1),
    }


def _sample(node: Node, load: Load, recipient: int) -> Figures:
    """Everything counted so far; CPU in microseconds."""
    contacts = node.couriers[RECIPIENT].contacts
    return {
        "ms": monotonic_ms(),
        "receipts": load.receipts,
        "pouches": contacts.pouches,
        "items": contacts.items,
        "sender": cpu_us(os.getpid()),
        "recipient": cpu_us(recipient),
    }


def _compare(before: Figures, after: Figures) -> Figures:
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
