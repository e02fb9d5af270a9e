"""Runs seeds, shrinks and keeps those that fail, and prints what was crossed.

    python -m tests.simulation --seeds 0-299 --scenario ring [--scenario pair ...] [--minutes 5] [--json]
    python -m tests.simulation --disk 0-999 [--json]                        the crash-simulating disk
    python -m tests.simulation --replay tests/simulation/seeds/NAME.json    one plan again
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

if os.environ.get("PYTHONHASHSEED") != "0":  # the order of sets of texts is part of a seed
    os.environ["PYTHONHASHSEED"] = "0"
    os.execv(sys.executable, [sys.executable, "-m", "tests.simulation", *sys.argv[1:]])

from tests.simulation.campaign import Tally, campaign
from tests.simulation.ledger import Violation
from tests.simulation.plan import SCENARIOS, Plan
from tests.simulation.run import run
from tests.simulation.shrink import command, keep, shrink


def _range(text: str) -> range:
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


def _failing(plan: Plan) -> Violation | None:
    return run(plan).violation


def _report(tally: Tally, folder: Path) -> None:
    """Shrink what failed, keep it, and say how to run it again."""
    for plan, violation in tally.failing:
        print(f"{plan.scenario} {plan.seed}: {violation}", file=sys.stderr)
        small = shrink(plan, violation.invariant, _failing)
        print(f"    {len(small.sends)} messages, {len(small.faults)} faults: {command(keep(small, violation, folder))}", file=sys.stderr)


def _replay(path: Path) -> int:
    outcome = run(Plan.load(path.read_text()))
    print(outcome.violation or "no violation")
    return 1 if outcome.violation else 0


def _disk(seeds: range, minutes: float, as_json: bool) -> int:
    from tests.simulation.disk import crash_seeds

    found = crash_seeds(seeds, minutes * 60)
    if as_json:
        print(json.dumps(found.as_dict()))
    else:
        print(f"{found.seeds} crash seeds, {found.seeds / max(found.seconds, 1e-9):.0f} a second; {found.crashes} crashes; {len(found.failing)} fail")
    for seed, says in found.failing:
        print(f"seed {seed}: {says}    python -m tests.simulation --disk {seed}", file=sys.stderr)
    return 1 if found.failing else 0


def main() -> int:
    """Parse, run, report."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=_range, default=range(100), metavar="A-B")
    parser.add_argument("--scenario", action="append", choices=SCENARIOS)
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--minutes", type=float, default=float("inf"))
    parser.add_argument("--json", action="store_true", help="last line: one object")
    parser.add_argument("--replay", type=Path, metavar="FILE")
    parser.add_argument("--disk", type=_range, metavar="A-B")
    parser.add_argument("--keep", type=Path, default=Path(__file__).parent / "seeds", metavar="FOLDER", help="where failing plans go")
    given = parser.parse_args()
    if given.replay:
        return _replay(given.replay)
    if given.disk:
        return _disk(given.disk, given.minutes, given.json)
    tally = campaign(given.scenario or SCENARIOS, given.seeds, given.minutes * 60, given.jobs)
    _report(tally, given.keep)
    if given.json:
        print(json.dumps(tally.as_dict()))
    else:
        found = tally.as_dict()
        print(tally.table())
        print({key: found[key] for key in ("seeds", "real_seeds", "messages", "faults", "seconds", "seeds_per_second")})
        print("never struck:", ", ".join(tally.missing()) or "none")
    return 1 if tally.failing else 0


if __name__ == "__main__":
    sys.exit(main())
