"""The seeds of every change: three scenarios, no violation, no seed without its messages and faults.

They run in a process of their own with a fixed hash seed, so that a seed is the same run everywhere. SIMULATION_SEEDS: how many.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.plan import CELLS, MESSAGES, SCENARIOS, Plan, make_plan
from tests.simulation.points import AFTER, BEFORE, POINTS
from tests.simulation.shrink import SEEDS

ROOT = Path(__file__).parents[2]
COUNT = int(os.environ.get("SIMULATION_SEEDS", "60"))
JOBS = int(os.environ.get("SIMULATION_JOBS", len(os.sched_getaffinity(0))))


PASSED = [f"{point} {when}" for point in POINTS if point not in ("B1", "U1") or COUNT >= 200 for when in (BEFORE, AFTER)]  # a point that nobody passes is dead


def simulate(*arguments: str) -> dict:
    """Run the simulation; its last line."""
    command = [sys.executable, "-m", "tests.simulation", *arguments, "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout, done.stderr
    return {**json.loads(done.stdout.splitlines()[-1]), "errors": done.stderr}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_no_seed_breaks_an_invariant(scenario: str, tmp_path: Path) -> None:
    found = simulate("--seeds", f"0-{COUNT - 1}", "--scenario", scenario, "--jobs", str(JOBS), "--keep", str(tmp_path))
    assert found["failing"] == [], found["errors"]
    assert found["seeds"] == COUNT
    assert found["real_seeds"] >= COUNT // 100
    assert found["fewest_messages"] >= min(MESSAGES, 20)
    assert found["fewest_faults"] >= 2
    counts = found["counts"]
    assert all(counts[f"check {name}"] for name in ("I1", "I2", "I3", "I4", "I5", "I7", "I8", "I10", "I11", "I12"))
    if scenario != "urgent" and len(CELLS) <= COUNT:
        assert len(found["missing"]) <= len(CELLS) // 10, found["missing"]  # each was tried once; a campaign tries it many times
    assert scenario == "urgent" or [point for point in PASSED if not found["crossed"].get(f"passed {point}")] == []
    print(f"\n{scenario}: {found['seeds']} seeds, {found['messages']} messages, {found['faults']} faults, {found['seeds_per_second']} seeds/s")


def test_a_plan_is_the_same_as_text() -> None:
    for scenario in SCENARIOS:
        plan = make_plan(scenario, 7)
        assert Plan.load(plan.dump()) == plan


@pytest.mark.parametrize("path", sorted(SEEDS.glob("*.json")), ids=lambda path: path.stem)
def test_seeds_that_failed_once_do_not_fail_again(path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.simulation", "--replay", str(path)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
