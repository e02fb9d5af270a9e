"""Isolation: beside a peer that lies, stalls, floods or is slow, messages to the others take their time and no more."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SEEDS = 8


def test_I9_no_peer_makes_another_wait() -> None:
    """In a process of its own, with the fixed hash seed that makes a seed the same run everywhere."""
    program = (
        "from tests.simulation.isolation import KINDS, MOST, ratio\n"
        f"found = {{kind: round(ratio(kind, range(100, {100 + SEEDS})), 2) for kind in KINDS}}\n"
        "print(found)\n"
        "assert all(each < MOST for each in found.values()), found"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": "0"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    print(f"\n{done.stdout}")
