"""`rogatory bench verify`: how long an auditor takes for a whole log with its messages, and whether one changed byte is found.

    rogatory bench verify --json

The log is exported by the product and audited by `rogatory verify` in a process of its own, bound to one core, with nothing but
the network's root. Then copies with one byte changed, anywhere in any file, chosen by a seed: each must be refuted. They are of
a smaller log of the same shape, which is changed in place and put back; as many as asked are of the large one.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
from bisect import bisect_right
from contextlib import ExitStack
from hashlib import sha256
from itertools import accumulate
from pathlib import Path
from typing import Any, Final

import click

from exchange.auditor.command import examine
from exchange.auditor.report import Verdict
from exchange.export.export import Exporter
from node import codes
from node.benches.grown import fill_log, grow_pair
from node.benches.pair import RECIPIENT, SENDER, Figures
from node.benches.unwired import opened
from node.clock import SystemClock, monotonic_ms
from node.exercise import found_world
from protocol.errors import LocalError

_SMALL: Final = 100  # the copies are of a log of a hundredth of the size
_LEAST: Final = 1000  # entries
_DONE: Final = "exported"
_VERIFY: Final = (sys.executable, "-m", "rogatory", "verify")


@click.command()
@click.option("--entries", type=click.IntRange(_LEAST, 100_000_000), default=1_000_000, show_default=True, help="Of the log.")
@click.option("--messages", type=click.IntRange(1, 100_000_000), default=100_000, show_default=True, help="Among them; two entries each.")
@click.option("--copies", type=click.IntRange(0, 100_000), default=100, show_default=True, help="With one byte changed.")
@click.option("--large-copies", type=click.IntRange(0, 1000), default=2, show_default=True, help="Beside them, of the large log.")
@click.option("--seed", type=int, default=1, show_default=True, help="Which bytes are changed.")
@click.option("--folder", type=click.Path(path_type=Path, file_okay=False), help="Keep the logs here, and use those that are there.")
@click.option("--json", "as_json", is_flag=True, help="Only the JSON object.")
def verify(entries: int, messages: int, copies: int, large_copies: int, seed: int, folder: Path | None, as_json: bool) -> None:
    """A whole log with its messages, audited offline on one core; copies with one byte changed."""

    def say(text: str) -> None:
        if not as_json:
            click.echo(text, err=True)

    small = max(_LEAST, entries // _SMALL)
    with ExitStack() as stack:
        place = folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rogatory-verify-")))
        say(f"a log of {entries} entries with {messages} messages, and one of {small}")
        _export(place / "large", entries, messages)
        _export(place / "small", small, max(1, messages * small // entries))
        say("the audit")
        result = _audit(place / "large")
        say(f"{copies} copies with one byte changed")
        result |= _change(place / "small", seed, copies, "copies")
        result |= _change(place / "large", seed, large_copies, "large_copies")
    click.echo(json.dumps(result | {"copies_entries": small, "seed": seed}))


def _export(folder: Path, entries: int, messages: int) -> None:
    """A home with such a log, and its export in ``record``; nothing when it is there."""
    if (folder / _DONE).exists():
        return
    folder.mkdir(parents=True)
    world = found_world(folder, (SENDER, RECIPIENT), SystemClock().now())
    home = world.places[SENDER].home
    grow_pair(home.path, world.places[RECIPIENT].home.path, messages)
    fill_log(home.path, entries)
    with opened(home.path) as exchange:
        exporter = Exporter(exchange.store, exchange.log, exchange.messages, exchange.holdings, home.directory)
        exporter.export_log(folder / "record", messages=True)
    (folder / _DONE).touch()


def _audit(folder: Path) -> Figures:
    """Time, CPU and memory of the audit in a process of its own on one core. Raises BENCH-STUCK when it does not prove the log."""
    cores = os.sched_getaffinity(0)
    command = [*_VERIFY, str(folder / "record"), "--trust", str(folder / "root.json"), "--json"]
    os.sched_setaffinity(0, {min(cores)})
    try:
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), monotonic_ms()
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        took, after = monotonic_ms() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    finally:
        os.sched_setaffinity(0, cores)
    if done.returncode:
        raise LocalError(codes.BENCH_STUCK, f"the audit ended with exit code {done.returncode}: {done.stdout[-2000:]}")
    report: dict[str, Any] = json.loads(done.stdout)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    counted = report["facts"]["messages"]
    return {
        "verify_seconds": round(took / 1000, 1),
        "verify_cpu_seconds": round(cpu, 1),
        "verify_rss_mib": round(after.ru_maxrss / 1024, 1),
        "entries": report["facts"]["entries"],
        "messages": counted["messages"],
        "proofs": counted["proofs"],
        "checkpoints": counted["heads"] + 1,
        "own_checkpoints_rebuilt": counted["own_heads"],
        "export_mib": round(sum(size for _, size in _files(folder / "record")) / 2**20, 1),
    }


def _change(folder: Path, seed: int, copies: int, name: str) -> Figures:
    """Change one byte in place, audit, put it back; so often. How many were found, and where those lie that were not."""
    record, root = folder / "record", folder / "root.json"
    files = _files(record)
    ends = list(accumulate(size for _, size in files))
    missed = []
    for number in range(copies):
        drawn = sha256(f"{seed}/{name}/{number}".encode()).digest()
        at = int.from_bytes(drawn[:8], "big") % ends[-1]
        which = bisect_right(ends, at)
        path, size = files[which]
        offset = at - (ends[which] - size)
        before = _flip(path, offset, 1 + drawn[8] % 255)
        try:
            if examine(record, root, None, SystemClock().now()).verdict is not Verdict.REFUTED:
                missed.append(f"{path.relative_to(record)} byte {offset}")
        finally:
            _put(path, offset, before)
    if copies and examine(record, root, None, SystemClock().now()).verdict is not Verdict.PROVEN:
        raise LocalError(codes.BENCH_STUCK, "the log is not proven any more after all bytes were put back")
    return {name: copies, f"{name}_found": copies - len(missed), f"{name}_missed": missed}


def _files(folder: Path) -> list[tuple[Path, int]]:
    """Every file below a folder that has a byte, with its size, in order."""
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return [(path, size) for path in found if (size := path.stat().st_size)]


def _flip(path: Path, offset: int, by: int) -> int:
    """Change the byte there; what it was."""
    with path.open("rb") as file:
        file.seek(offset)
        before = file.read(1)[0]
    _put(path, offset, before ^ by)
    return before


def _put(path: Path, offset: int, value: int) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(bytes((value,)))
