"""A campaign: a budget of time over all classes of fault, and a row about it in docs/campaigns.md.

    python -m tests.faults.campaign --minutes 90            (make campaign MINUTES=90)

Two lines run side by side, one per core: simulated networks and the crash-simulating disk in processes of their own, and faults of
real nodes. Each piece ends by itself within its share; seeds go on where the last recorded campaign ended. An interrupted campaign
(Ctrl-C) records what was done until then.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from tests.faults import partition, syscalls
from tests.faults.between import between
from tests.faults.clocks import JUMPS, jump
from tests.faults.damage import KINDS, harm, unavailable
from tests.faults.kills import at_point, at_start, edges, on_one_stage, uniformly
from tests.faults.links import TROUBLES, trouble
from tests.faults.stage import stage
from tests.simulation.plan import CELLS

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/campaigns.md"
_WORLD = 40  # kills or faults on one pair of nodes: their logs stay short, so checking stays fast
_WRITES, _FSYNCS = 24, 8  # of one message, per end: more than it makes
_CALLS = 120  # calls that must have failed before other classes go on
_BATCH = 0.04  # of the budget: one piece of simulation
_CELLS = {" ".join(cell) for cell in CELLS}
_SCENARIOS = {"seeds": 3, "disk": 1}  # plans that one number stands for


@dataclass
class Tally:
    """What a campaign has done so far. ``failing``: class, seed or point, and what was seen; ``skipped``: and why."""

    counts: Counter[str] = field(default_factory=Counter)
    crash_points: set[str] = field(default_factory=set)
    crossed: set[str] = field(default_factory=set)  # fault and crash point in simulated networks
    failing: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    last: dict[str, int] = field(default_factory=dict)
    slowest: float = 0.0


class Budget:
    """Seconds that are left, until told to stop."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    def left(self, share: float = 0.0) -> bool:
        """Whether more than this share of it is left."""
        return self._end - time.monotonic() > share * self.seconds

    def stop(self) -> None:
        self._end = 0.0


# -- simulated networks, and the disk that loses what was not synced ----------------------------------------------------------------


def simulated(tally: Tally, budget: Budget, start: dict[str, int]) -> None:
    """Batches of seeds, turn and turn about, until the budget has gone."""
    at, sizes = dict(start), {"seeds": 400, "disk": 1000}
    for kind in itertools.cycle(("seeds", "disk")):
        if not budget.left(_BATCH) or not sizes:
            return
        if kind not in sizes:
            continue
        seeds = f"{at[kind]}-{at[kind] + sizes[kind] - 1}"
        minutes = _BATCH * budget.seconds / 60
        command = [sys.executable, "-m", "tests.simulation", f"--{kind}", seeds, "--minutes", str(minutes), "--json"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            tally.failing.append(f"simulation --{kind} {seeds}: {done.stderr.strip()[-400:]}")
        try:
            found = json.loads(done.stdout.splitlines()[-1])
        except (ValueError, IndexError):
            del sizes[kind]  # it cannot run here at all
            continue
        ran = found["seeds"]
        tally.counts[kind] += ran
        tally.crossed |= found.get("crossed", {}).keys() & _CELLS
        at[kind] += max(1, ran // _SCENARIOS[kind])
        tally.last[kind] = at[kind]


# -- real nodes ---------------------------------------------------------------------------------------------------------------------


def real(tally: Tally, budget: Budget, seed: int) -> None:
    """Every crash point, every failing call, the rest; then kills at random times until the budget has gone."""
    for piece in (_points, _starts, _calls, _others):
        if budget.left():
            piece(tally, budget)
    while budget.left():
        _uniform(tally, budget, seed)
        seed += 1
        tally.last["kills"] = seed


@contextlib.contextmanager
def _caught(tally: Tally, what: str) -> Iterator[list[str]]:
    """Note what fails in the block, here and in the list that it is given."""
    caught: list[str] = []
    try:
        yield caught
    except Exception as error:  # noqa: BLE001 - a failing point is recorded, the campaign goes on
        said = str(error)
        caught.append(f"{what}: {type(error).__name__} {said if len(said) < 800 else f'{said[:200]} ... {said[-600:]}'}")
        tally.failing += caught


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="campaign-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def _points(tally: Tally, budget: Budget) -> None:
    left = on_one_stage()
    while left and budget.left():
        well = True
        with _folder() as folder, stage(folder) as on:
            while well and left and budget.left():
                point, edge = left.pop(0)
                with _caught(tally, f"kill at {point} {edge}") as caught:
                    _note(tally, at_point(on, point, edge))
                well = not caught


def _starts(tally: Tally, budget: Budget) -> None:
    for point, edge in edges():
        if (point, edge) not in on_one_stage() and budget.left():
            with _folder() as folder, _caught(tally, f"kill at {point} {edge}"):
                _note(tally, at_start(folder, point, edge))


def _note(tally: Tally, kill: object) -> None:
    tally.counts["kills"] += 1
    tally.counts["kills with unanswered pouches"] += kill.unanswered > 0
    tally.counts["kills while messages flow"] += kill.point == "load"
    tally.slowest = max(tally.slowest, kill.recovery)
    if kill.point != "load":
        tally.crash_points.add(f"{kill.point} {kill.edge}")


def _calls(tally: Tally, budget: Budget) -> None:
    if why := syscalls.available():
        tally.failing.append(f"system calls: {why}")
        return
    left = syscalls.grid(_WRITES, _FSYNCS)
    met: list[syscalls.Failing] = []
    while left and budget.left():
        with _folder() as folder, stage(folder) as on:
            for _ in range(min(_WORLD, len(left))):
                failing = left.pop(0)
                with _caught(tally, f"system call {failing}") as caught:
                    seen = syscalls.at_syscall(on, failing)
                    tally.counts["system calls"] += seen.times > 0
                    met += [failing] * (seen.times > 0)
                tally.counts["system calls tried"] += 1
                if caught or not budget.left():
                    break
        if not left and tally.counts["system calls"] < _CALLS:
            left, met = met[: _CALLS - tally.counts["system calls"]], []  # the n-th call of another message is another write


def _others(tally: Tally, budget: Budget) -> None:
    pieces = [("clocks", JUMPS, jump), ("damage", KINDS, harm), ("links", TROUBLES, trouble), ("namespaces", partition.KINDS, partition.split)]
    for name, kinds, act in pieces:
        for kind in kinds:
            why = partition.unavailable() if act is partition.split else unavailable(kind)
            if why:
                tally.skipped.append(f"{name} {kind}: {why}")
            elif budget.left():
                with _folder() as folder, _caught(tally, f"{name} {kind}"):
                    act(folder, kind)
                    tally.counts[name] += 1


def _uniform(tally: Tally, budget: Budget, seed: int) -> None:
    caught = _caught(tally, f"kills, seed {seed}")
    with _folder() as folder, caught, stage(folder, between=True) as on, between(on, latency=0.02) as proxies:
        for kill in uniformly(on, proxies, _WORLD, seed):
            _note(tally, kill)
            if not budget.left():
                return


# -- the record ---------------------------------------------------------------------------------------------------------------------

_HEAD = """# Campaigns

What `make campaign MINUTES=...` has found: one row per campaign. How each class is made: [faults.md](faults.md), simulation:
`python -m tests.simulation --help`. *Crash points* counts edges at which a process really died; in brackets after simulated seeds: how many of all pairs of a fault and a
crash point struck in them; *next* is where the seeds go on.

| date | commit | minutes | simulated seeds | crash-disk seeds | kills (in flight, of while flowing) | slowest recovery | crash points | failing calls (of tried) | clocks | damage | links | namespaces | failing | next |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
"""


def starts() -> dict[str, int]:
    """Where seeds go on: after the highest that was recorded."""
    text = PAGE.read_text() if PAGE.exists() else ""
    return {kind: max([0, *map(int, re.findall(rf"{kind} (\d+)", text))]) for kind in ("seeds", "disk", "kills")}


def record(tally: Tally, minutes: float) -> str:
    """Append the campaign's row; the row."""
    if not PAGE.exists():
        PAGE.write_text(_HEAD)
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()
    count = tally.counts
    told = [*tally.failing, *(f"(left out) {each}" for each in tally.skipped)]
    failing = "<br>".join(each.replace("|", "/").replace("\n", " ") for each in told) or "none"
    flowing, busy = count["kills while messages flow"], count["kills with unanswered pouches"]
    cells = (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M}", commit, f"{minutes:.0f}",
        f"{count['seeds']} ({len(tally.crossed)} of {len(_CELLS)})", count["disk"], f"{count['kills']} ({busy} of {flowing})",
        f"{tally.slowest:.1f} s", f"{len(tally.crash_points)} of {len(edges())}", f"{count['system calls']} of {count['system calls tried']}",
        f"{count['clocks']} of {len(JUMPS)}", f"{count['damage']} of {len(KINDS)}", f"{count['links']} of {len(TROUBLES)}",
        f"{count['namespaces']} of {len(partition.KINDS)}", failing,
        ", ".join(f"{kind} {at}" for kind, at in sorted(tally.last.items())),
    )  # fmt: skip
    row = "| " + " | ".join(map(str, cells)) + " |\n"
    with PAGE.open("a") as page:
        page.write(row)
    return row


def main() -> int:
    """Run both lines, record, report."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.campaign", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=90.0)
    parser.add_argument("--real", action="store_true", help="faults of real nodes only")
    given = parser.parse_args()
    tally, budget, at = Tally(), Budget(60 * given.minutes), starts()
    beside = threading.Thread(target=simulated, args=(tally, budget, at), daemon=True)
    began = time.monotonic()
    if not given.real:
        beside.start()
    try:
        real(tally, budget, at["kills"])
    except KeyboardInterrupt:
        budget.stop()
    if not given.real:
        beside.join()
    print(record(tally, (time.monotonic() - began) / 60))
    for each in tally.failing:
        print(each, file=sys.stderr)
    return 1 if tally.failing else 0


if __name__ == "__main__":
    sys.exit(main())
