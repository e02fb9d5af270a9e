"""Programs of bench/ that measure without a line of the product: run in processes of their own, read by their last line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parents[2] / "bench"


def run_program(name: str, *arguments: str) -> dict[str, Any]:
    """The JSON object that ``bench/<name>.py`` prints as its last line."""
    command = [sys.executable, str(_FOLDER / f"{name}.py"), *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def floor(seconds: float) -> float:
    """Messages per second of bench/floor.py: what no implementation of this protocol can go above here and now."""
    return float(run_program("floor", "--seconds", str(seconds))["floor_messages_per_second"])
