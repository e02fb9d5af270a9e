"""A partition made by the kernel: two nodes alone in a network namespace, whose only link goes down and comes back.

    split(folder, "down")          nothing passes, and nobody is told: what is under way is sent again by TCP, or times out
    split(folder, "half open")     the recipient dies meanwhile: its farewell is lost, and the sender's connections lead nowhere

The test starts itself again in a namespace of its own (``unshare``), so that it needs no rights and touches no other link.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from tests.faults.stage import RECIPIENT, SENDER, stage

KINDS = ("down", "half open")
_ROOT = Path(__file__).parents[2]
_INSIDE = ("unshare", "--map-root-user", "--net")
_WHILE = 3.0  # seconds without a link
_LIMIT = 600.0


def unavailable() -> str:
    """Why there are no network namespaces here; empty when there are."""
    try:
        done = subprocess.run([*_INSIDE, "ip", "link", "set", "lo", "up"], capture_output=True, text=True, check=False)
    except OSError as error:
        return str(error)
    return "" if done.returncode == 0 else done.stderr.strip()


def split(folder: Path, kind: str) -> None:
    """Send over a link that goes down so; it comes back; everything settles, and the invariants hold."""
    command = [*_INSIDE, sys.executable, "-m", "tests.faults.partition", str(folder), kind]
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, timeout=_LIMIT, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


def _inside(folder: Path, kind: str) -> None:
    _link("up")
    with stage(folder) as on:
        on[SENDER].submit(RECIPIENT)
        on[RECIPIENT].submit(SENDER)
        on.settle()
        on.check()
        _link("down")
        until = time.monotonic() + _WHILE
        while time.monotonic() < until:
            on[SENDER].submit(RECIPIENT)
        if kind == "half open":
            on[RECIPIENT].kill()
        assert on.ledger.waiting(), "something has passed a link that is down"
        _link("up")
        if kind == "half open":
            on[RECIPIENT].start()
        on.settle()
        on.check()


def _link(state: str) -> None:
    subprocess.run(["ip", "link", "set", "lo", state], check=True)


if __name__ == "__main__":
    _inside(Path(sys.argv[1]), sys.argv[2])
