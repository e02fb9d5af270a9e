"""The simulator finds what it is there for: each planted mistake, within two thousand seeds, by an invariant that is about it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.plants import PLANTS

ROOT = Path(__file__).parents[2]
MOST = 2000


def test_there_are_twelve_at_least() -> None:
    assert len(PLANTS) >= 12


@pytest.mark.parametrize("name", PLANTS)
def test_a_planted_mistake_is_found(name: str) -> None:
    command = [sys.executable, "-m", "tests.simulation.finding", name, str(MOST)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["seed"] is not None, found["says"]
    assert found["invariant"] in PLANTS[name].found_by, found["says"]
    print(f"\n{name}: seed {found['seed']}, {found['says']}")
