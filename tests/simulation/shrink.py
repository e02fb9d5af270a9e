"""Makes a failing plan small: fewer messages, fewer faults, less chaos, the same invariant broken. Kept as a file, replayed by a command."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from tests.simulation.ledger import Violation
from tests.simulation.plan import Plan

SEEDS = Path(__file__).parent / "seeds"
T = TypeVar("T")


def shrink(plan: Plan, invariant: str, fails: Callable[[Plan], Violation | None], tries: int = 200) -> Plan:
    """A smaller plan that breaks the same invariant. At most ``tries`` runs."""
    smaller = True
    while smaller and tries > 0:
        smaller = False
        for candidate in _smaller(plan):
            tries -= 1
            found = fails(candidate)
            if found is not None and found.invariant == invariant:
                plan, smaller = candidate, True
                break
            if tries <= 0:
                break
    return plan


def _smaller(plan: Plan) -> Iterator[Plan]:
    """Candidates, the boldest first."""
    for sends in _without(plan.sends):
        yield replace(plan, sends=sends)
    for faults in _without(plan.faults):
        yield replace(plan, faults=faults)
    if plan.threads:
        yield replace(plan, threads=0.0)
    if len(plan.names) > 2:
        used = {name for send in plan.sends for name in (send.sender, *send.to)} | {fault.who for fault in plan.faults}
        names = tuple(name for name in plan.names if name in used)
        if 2 <= len(names) < len(plan.names):
            yield replace(plan, names=names)
    last = max((*(send.at for send in plan.sends), *(fault.at + fault.length * (fault.kind != "night") for fault in plan.faults)), default=0.0)
    if last + 5 < plan.chaos:
        yield replace(plan, chaos=last + 5)


def _without(items: Sequence[T]) -> Iterator[tuple[T, ...]]:
    size = len(items)
    while size:
        for start in range(0, len(items), size):
            yield (*items[:start], *items[start + size :])
        size //= 2


def keep(plan: Plan, violation: Violation, folder: Path = SEEDS) -> Path:
    """Write a failing plan where it is run as a regression from now on."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{plan.scenario}-{plan.seed}-{violation.invariant.lower()}.json"
    path.write_text(replace(plan, notes={"found": str(violation)}).dump() + "\n")
    return path


def command(path: Path) -> str:
    """How to run it again."""
    return f"python -m tests.simulation --replay {path}"
