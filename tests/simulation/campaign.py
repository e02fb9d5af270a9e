"""Many seeds of one scenario: what they found, and what they crossed on the way."""

from __future__ import annotations

import itertools
import time
from collections import Counter, deque
from collections.abc import Iterable
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from tests.simulation.ledger import Violation
from tests.simulation.plan import CELLS, Plan, make_plan
from tests.simulation.points import AFTER, BEFORE, DISK, KILLS, POINTS
from tests.simulation.run import Outcome, run


@dataclass
class Tally:
    """Sums over seeds."""

    seeds: int = 0
    messages: int = 0
    faults: int = 0
    fewest_messages: int = 10**9
    fewest_faults: int = 10**9
    real: int = 0
    seconds: float = 0.0
    virtual: float = 0.0
    counts: Counter[str] = field(default_factory=Counter)
    crossed: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    failing: list[tuple[Plan, Violation]] = field(default_factory=list)

    def add(self, plan: Plan) -> Violation | None:
        """Run one more."""
        return self.count(plan, *timed(plan))

    def count(self, plan: Plan, outcome: Outcome, seconds: float) -> Violation | None:
        """One more was run, for so long."""
        self.seconds += seconds
        self.seeds += 1
        self.real += plan.real
        self.virtual += outcome.seconds
        self.counts.update(outcome.counts)
        self.crossed.update(outcome.crossed)
        if outcome.violation is not None:
            self.failing.append((plan, outcome.violation))
            return outcome.violation
        self.messages += outcome.accepted
        self.faults += outcome.fired
        self.fewest_messages = min(self.fewest_messages, outcome.accepted)
        self.fewest_faults = min(self.fewest_faults, outcome.fired)
        return None

    def missing(self) -> list[str]:
        """Pairs of fault kind and crash point that never struck."""
        return [" ".join(pair) for pair in CELLS if not self.crossed[pair]]

    def table(self) -> str:
        """Fault kind against crash point, before/after."""
        kinds = (*KILLS, *DISK)
        lines = [f"{'':4}{'passed':>16}" + "".join(f"{kind:>14}" for kind in kinds)]
        for point in POINTS:
            passed = f"{self.crossed['passed', point, BEFORE]}/{self.crossed['passed', point, AFTER]}"
            cells = []
            for kind in kinds:
                if kind in KILLS:
                    cells.append(f"{self.crossed[kind, point, BEFORE]}/{self.crossed[kind, point, AFTER]}")
                else:
                    cells.append(str(self.crossed[kind, point, "during"]) if point in DISK[kind] else "-")
            lines.append(f"{point:4}{passed:>16}" + "".join(f"{cell:>14}" for cell in cells))
        return "\n".join(lines)

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "seeds": self.seeds, "real_seeds": self.real, "messages": self.messages, "faults": self.faults,
            "fewest_messages": self.fewest_messages, "fewest_faults": self.fewest_faults,
            "seconds": round(self.seconds, 1), "seeds_per_second": round(self.seeds / max(self.seconds, 1e-9), 1),
            "virtual_hours": round(self.virtual / 3600, 1), "counts": dict(sorted(self.counts.items())),
            "crossed": {" ".join(key): count for key, count in sorted(self.crossed.items())}, "missing": self.missing(),
            "failing": [{"scenario": plan.scenario, "seed": plan.seed, "says": str(found)} for plan, found in self.failing],
        }  # fmt: skip


def timed(plan: Plan) -> tuple[Outcome, float]:
    """Run a plan; what it found, and in how many seconds."""
    started = time.perf_counter()
    return run(plan), time.perf_counter() - started


def campaign(scenarios: Iterable[str], seeds: Iterable[int], seconds: float = float("inf"), jobs: int = 1) -> Tally:
    """Run these seeds of each scenario, in so many processes, until the time is spent."""
    tally, end = Tally(), time.monotonic() + seconds
    plans = (make_plan(name, seed) for seed, name in itertools.product(seeds, tuple(scenarios)))
    if jobs == 1:
        for plan in plans:
            if time.monotonic() >= end:
                break
            tally.add(plan)
        return tally
    with ProcessPoolExecutor(jobs) as pool:
        running: deque[tuple[Plan, Future[tuple[Outcome, float]]]] = deque()
        while True:
            running += [(plan, pool.submit(timed, plan)) for plan in itertools.islice(plans, 4 * jobs - len(running)) if time.monotonic() < end]
            if not running:
                return tally
            plan, done = running.popleft()
            tally.count(plan, *done.result())
