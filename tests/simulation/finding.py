"""Looks for one planted mistake, seed after seed, and says which one found it.

    python -m tests.simulation.finding NAME [MOST]        last line: one JSON object
"""

from __future__ import annotations

import json
import os
import sys

if os.environ.get("PYTHONHASHSEED") != "0":
    os.environ["PYTHONHASHSEED"] = "0"
    os.execv(sys.executable, [sys.executable, "-m", "tests.simulation.finding", *sys.argv[1:]])

from tests.simulation.plan import make_plan
from tests.simulation.plants import PLANTS
from tests.simulation.run import run


def main() -> None:
    """Find it."""
    name, most = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 2000
    plant = PLANTS[name]
    for seed in range(most):
        violation = run(make_plan(plant.scenario, seed, name), plant.put).violation
        if violation is not None:
            print(json.dumps({"plant": name, "seed": seed, "invariant": violation.invariant, "says": str(violation)}))
            return
    print(json.dumps({"plant": name, "seed": None, "invariant": "", "says": f"not within {most} seeds"}))


if __name__ == "__main__":
    main()
