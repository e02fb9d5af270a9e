"""I9: what one peer does changes the latency of another by less than a fifth. The same seeds run twice, with the peer honest and not.

From the first contact to the last second it lies, stalls, is slow or floods, while the others exchange over a slow line full of messages.
Before that it may hold up routine messages to a peer whose prekeys nobody has seen witnessed, where it is one of few witnesses.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace
from functools import cache
from statistics import mean
from typing import Any

from tests.simulation.network import LIES
from tests.simulation.plan import Fault, Plan, Send, make_plan
from tests.simulation.points import Patches
from tests.simulation.run import run

MOST = 1.2
LIAR, OTHER = "xc-ca", "xb-ca"
KINDS = (*(f"lie-{lie}" for lie in LIES), "slow", "cut", "flood")
_FROM = 8.0  # seconds
_FLOOD = 0.05  # seconds between two of its requests


def waits(kind: str, seeds: range) -> list[float]:
    """Seconds from 202 to the receipt of every message to the honest peer, beside one that behaves so."""
    return [each for seed in seeds for each in _waits(kind, seed)]


def ratio(kind: str, seeds: range) -> float:
    """How many times as long they take as beside a peer that is honest."""
    return mean(waits(kind, seeds)) / mean(waits("", seeds))


@cache
def _waits(kind: str, seed: int) -> tuple[float, ...]:
    made = _plan(seed)
    if kind and kind != "flood":
        made = replace(made, faults=(Fault(_FROM, kind, LIAR, "xa-ca", length=made.chaos),))
    outcome = run(made, _flood if kind == "flood" else None)
    assert outcome.violation is None or outcome.violation.invariant == "I6", outcome.violation  # urgent ones to the peer itself are late
    return tuple(outcome.waits[OTHER])


def _plan(seed: int) -> Plan:
    """Messages to both peers, and from the one that will misbehave."""
    made = make_plan("urgent", seed)
    more = [Send(send.at, send.sender, (LIAR,), size=send.size) for send in made.sends[:20]]
    more += [Send(send.at, LIAR, ("xa-ca",), size=send.size) for send in made.sends[20:40]]
    return replace(made, sends=(*made.sends, *more), faults=(), real=False)


def _flood(world: Any, patches: Patches) -> None:
    """Twenty pouches a second that nobody can read, or that were read before."""

    async def post(life: Any) -> None:
        heard = world.network.heard.get("/v1/pouch") or [b""]
        body = world.rng.choice((world.rng.randbytes(3000), world.rng.choice(heard)))
        with contextlib.suppress(Exception):
            await world.network.call(life, "xa-ca", "flood", "POST", "/v1/pouch", body, {})

    def again() -> None:
        life = world.lives[LIAR]
        if life is not None and life.exchange is not None:
            world._later(post(life))
        if world.loop.time() < world.plan.chaos:
            world.loop.call_later(_FLOOD, again)

    world.loop.call_later(_FROM, again)
