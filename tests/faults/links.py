"""Links between real nodes that are cut, slow, deaf or swallow everything: what was accepted arrives once they are well again.

    trouble(folder, "cut")
"""

from __future__ import annotations

import time
from pathlib import Path

from tests.faults.between import between, cut
from tests.faults.kills import Load
from tests.faults.stage import RECIPIENT, SENDER, stage

TROUBLES = ("cut", "slow", "deaf", "hole", "half open", "both ways")
_MESSAGES = 6
_WHILE = 2.0  # seconds that a link stays bad


def trouble(folder: Path, kind: str) -> None:
    """Send over a link that behaves so; mend it; everything settles, and the invariants hold."""
    with stage(folder, between=True) as on, between(on) as proxies:
        on[SENDER].submit(RECIPIENT)
        on.settle()
        link = proxies[RECIPIENT]
        if kind == "both ways":
            for each in proxies.values():
                each.latency = 0.02
            with Load(on, senders=2):
                time.sleep(2 * _WHILE)
        else:
            link.deaf, link.hole, link.dribble = kind == "deaf", kind == "hole", 50 if kind == "slow" else 0
            until = time.monotonic() + _WHILE
            for _ in range(_MESSAGES):
                on[SENDER].submit(RECIPIENT)
                if kind == "cut":
                    cut(link)
                if kind == "half open":
                    link.loop.call_soon_threadsafe(link.halve)
            while time.monotonic() < until:
                time.sleep(0.05)
                if kind == "cut":
                    cut(link)
        for each in proxies.values():
            each.deaf = each.hole = each.half = False
            each.loop.call_soon_threadsafe(each.whole.set)
            each.dribble = 0
            cut(each)
        on.settle()
        on.check()
