"""What one seed does: who sends what when, and what goes wrong when. A plan is data, so it can be kept, shrunk and replayed."""

from __future__ import annotations

import json
import random
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from tests.simulation.network import LIES
from tests.simulation.points import AFTER, BEFORE, DISK, KILLS, LAG, LAGS, POINTS

NAMES = ("xa-ca", "xb-ca", "xc-ca", "xd-ca", "xe-ca", "xf-ca", "xg-ca")
SCENARIOS = ("pair", "ring", "urgent")
MESSAGES = 22
_COMMON = ("S1", "S2", "S3", "S4", "S6", "S7", "S8", "R4", "R5", "R6", "R7", "R8", "R9", "R10", "W1", "W2", "W3")
_PARTS = ("S5", "R1", "R2", "R3")
_DAYS = ("P1", "P2", "P3")
CELLS = (
    *((kind, point, when) for kind in KILLS for point in POINTS for when in (BEFORE, AFTER)),
    *((kind, point, "during") for kind, points in DISK.items() for point in points),
)  # every fault kind at every crash point: a seed tries the one of its number


@dataclass(frozen=True)
class Send:
    """One message. ``at`` and ``ttl`` in seconds, ``parts``: bytes of each attachment."""

    at: float
    sender: str
    to: tuple[str, ...]
    urgent: bool = False
    size: int = 40
    parts: tuple[int, ...] = ()
    ttl: float = 864000.0


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong. ``length``: seconds it lasts, or days of a night; ``amount``: milliseconds, a rate, a number."""

    at: float
    kind: str
    who: str = ""
    other: str = ""
    point: str = ""
    when: str = BEFORE
    nth: int = 1
    length: float = 0.0
    amount: float = 0.0


@dataclass(frozen=True)
class Plan:
    """``schedule``: the seed of everything that is drawn while it runs. ``chaos``: seconds until faults stop."""

    scenario: str
    seed: int
    schedule: int
    names: tuple[str, ...]
    sends: tuple[Send, ...]
    faults: tuple[Fault, ...]
    chaos: float = 40.0
    rate: float = 0.0
    threads: float = 0.1
    real: bool = False
    plant: str = ""
    notes: dict[str, Any] = field(default_factory=dict)

    def dump(self) -> str:
        """As JSON text."""
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def load(cls, text: str) -> Plan:
        """From JSON text."""
        raw = json.loads(text)
        raw["names"] = tuple(raw["names"])
        raw["sends"] = tuple(Send(**{**s, "to": tuple(s["to"]), "parts": tuple(s["parts"])}) for s in raw["sends"])
        raw["faults"] = tuple(Fault(**f) for f in raw["faults"])
        return cls(**raw)


def make_plan(scenario: str, seed: int, plant: str = "") -> Plan:
    """The plan of a seed. The same seed gives the same plan on every machine."""
    rng = random.Random(f"{scenario}/{seed}")
    made = {"pair": _pair, "ring": _ring, "urgent": _urgent}[scenario](rng, seed)
    return replace(made, real=seed % 100 == 99, plant=plant)


def _pair(rng: random.Random, seed: int) -> Plan:
    names = NAMES[:2]
    chaos = rng.uniform(20, 60)
    sends = [_send(rng, names, chaos) for _ in range(MESSAGES)]
    return _owed(rng, seed, Plan("pair", seed, rng.getrandbits(48), names, tuple(sends), tuple(_faults(rng, names, chaos)), chaos))


def _ring(rng: random.Random, seed: int) -> Plan:
    """Four authorities, sometimes three to seven; most messages go to the next one, some to several."""
    names = NAMES[: 4 if rng.random() < 0.8 else rng.choice((3, 5, 6, 7))]
    chaos = rng.uniform(20, 40)
    sends = []
    for _ in range(MESSAGES):
        sender = rng.choice(names)
        others = [name for name in names if name != sender]
        to = (names[(names.index(sender) + 1) % len(names)],) if rng.random() < 0.7 else tuple(sorted(rng.sample(others, min(2, len(others)))))
        sends.append(replace(_send(rng, names, chaos), sender=sender, to=to))
    return _owed(rng, seed + 100, Plan("ring", seed, rng.getrandbits(48), names, tuple(sends), tuple(_faults(rng, names, chaos)), chaos))


def _owed(rng: random.Random, number: int, plan: Plan) -> Plan:
    """The plan with the fault of its number at the point of its number, and with what brings a node there."""
    kind, point, when = CELLS[number % len(CELLS)]
    who, other = rng.sample(plan.names, 2)
    at = 0.0 if point == "U1" else rng.uniform(0, plan.chaos / 4)
    amount = rng.choice((-600_000.0, 90_000.0)) if kind == "kill-clock" else 0.0
    faults = [Fault(at, kind, who, point=point, when=BEFORE if when == "during" else when, amount=amount)]
    sends = plan.sends
    if point in _DAYS:
        faults.append(Fault(at + 0.1, "night", length=9.0))
    if point in _PARTS:
        ends = (who, other) if point == "S5" else (other, who)
        sends = (Send(at + 0.2, ends[0], ends[1:], parts=(9000, 40000)), Send(at + 2, ends[0], ends[1:], parts=(9000,)), *sends[2:])
    if point == "B1":
        faults += [Fault(at + 0.2, "backup", who), Fault(at + 8, "backup", who)]
    return replace(plan, sends=sends, faults=tuple(sorted((*plan.faults, *faults), key=lambda fault: fault.at)))


def _urgent(rng: random.Random, seed: int) -> Plan:
    """A slow line full of routine messages, on which urgent ones must not wait; in every third seed it is up a tenth of the time."""
    names = NAMES[:3]
    chaos = 60.0
    sends = [Send(rng.uniform(0, 10), "xa-ca", ("xb-ca",), size=rng.choice((200, 1500))) for _ in range(60)]
    sends += [Send(rng.uniform(5, 50), "xa-ca", (rng.choice(names[1:]),), urgent=True, size=100) for _ in range(8)]
    faults = list(_faults(rng, names, chaos, kinds=("kill", "restart", "loss", "repeat", "lie"), liars=("xc-ca",)))
    faults = [fault for fault in faults if fault.kind != "night" and fault.point not in _DAYS]
    if seed % 3 == 0:
        faults = [Fault(at, "cut", "xa-ca", "xb-ca", length=18.0) for at in (1.0, 21.0, 41.0)]
    return Plan("urgent", seed, rng.getrandbits(48), names, tuple(sends), tuple(faults), chaos, rate=8000.0)


def _send(rng: random.Random, names: tuple[str, ...], chaos: float) -> Send:
    sender, recipient = rng.sample(names, 2)
    urgent = rng.random() < 0.2
    parts = () if urgent or rng.random() < 0.8 else tuple(rng.choice((10, 9000, 40000)) for _ in range(rng.choice((1, 1, 2))))
    ttl = rng.uniform(5, 60) if rng.random() < 0.1 else 864000.0 * 1.2
    return Send(rng.uniform(0, chaos * 0.9), sender, (recipient,), urgent, rng.choice((20, 300)), parts, ttl)


_KINDS = ("kill",) * 8 + ("disk",) * 4 + ("lag", "backup") * 2 + ("prekeys-lost", "restart", "restore", "jump", "cut", "loss", "repeat", "slow", "lie", "lie", "night")


def _faults(
    rng: random.Random, names: tuple[str, ...], chaos: float, kinds: tuple[str, ...] = _KINDS, liars: tuple[str, ...] = ()
) -> list[Fault]:
    found: list[Fault] = []
    for _ in range(rng.choice((2, 3, 3, 4, 5))):
        at, who = rng.uniform(0, chaos * 0.8), rng.choice(names)
        found += _fault(rng, rng.choice(kinds), at, who, rng.choice([n for n in names if n != who]), chaos, liars)
    return sorted(found, key=lambda fault: fault.at)


def _fault(rng: random.Random, kind: str, at: float, who: str, other: str, chaos: float, liars: tuple[str, ...]) -> list[Fault]:
    length = rng.uniform(2, chaos / 3)
    match kind:
        case "kill":
            return _kill(rng, at, who)
        case "lag":
            point = rng.choice(LAGS)
            return [Fault(at, LAG, who, point=point, when=AFTER if point in ("R7", "S1", "S7") else rng.choice((BEFORE, AFTER)), nth=rng.choice((1, 2, 3)))]
        case "disk":
            disk = rng.choice(tuple(DISK))
            point = rng.choice([p for p in DISK[disk] if p not in _DAYS])
            return [Fault(at, disk, who, point=point, nth=rng.choice((1, 1, 2)))]
        case "restore":
            return [Fault(at, "copy", who), Fault(min(at + length, chaos * 0.9), "restore", who)]
        case "jump":
            return [Fault(at, "jump", who, amount=rng.choice((-3_600_000, -400_000, -30_000, 20_000, 90_000, 400_000)))]
        case "loss" | "repeat":
            return [Fault(at, kind, length=length, amount=rng.uniform(0.1, 0.6))]
        case "lie":
            liar = rng.choice(liars) if liars else who
            return [Fault(at, f"lie-{rng.choice(LIES)}", liar, length=length)]
        case "night":
            return [Fault(at, "night", length=rng.choice((1.0, 3.0, 9.0)))]
        case _:
            return [Fault(at, kind, who, other, length=length)]


def _kill(rng: random.Random, at: float, who: str) -> list[Fault]:
    kind, when = rng.choice(KILLS), rng.choice((BEFORE, AFTER))
    if kind == "kill-clock":
        amount = float(rng.choice((-600_000, -90_000, 90_000, 500_000)))
    else:
        amount = 0.0
    draw = rng.random()
    if draw < 0.06:
        return [Fault(0.0, kind, who, point="U1", when=when, nth=rng.randrange(1, 4), amount=amount)]
    if draw < 0.22:
        point = rng.choice(_DAYS)
        disk = rng.choice(("", "", "lost", "happened")) if point != "P3" else ""
        return [Fault(at, disk or kind, who, point=point, when=when, amount=amount), Fault(at + 0.1, "night", length=rng.choice((3.0, 9.0)))]
    point = rng.choice(_PARTS) if draw < 0.4 else rng.choice(_COMMON)
    return [Fault(at, kind, who, point=point, when=when, nth=rng.choice((1, 1, 2, 3)), amount=amount)]
