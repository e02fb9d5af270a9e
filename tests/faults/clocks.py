"""Clock jumps of a real, running node (libfaketime): log time never goes back, urgent messages are accepted, nothing expires wrongly.

    jump(folder, "+3d")
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.faults.ledger import demand
from tests.faults.stage import RECIPIENT, SENDER, Stage, stage, wait_until

# libfaketime's words for how far the wall clock is from the true one; the last is a second that comes twice.
JUMPS = {"+3d": "+3d", "-1h": "-1h", "1970": "-20000d", "leap": "-1"}
_ROOT = Path(__file__).parents[2]
_PLACES = ("/usr/lib/*/faketime/libfaketimeMT.so.1", "/usr/lib/faketime/libfaketimeMT.so.1", "/usr/local/lib/faketime/libfaketimeMT.so.1")


def library() -> str:
    """Where libfaketime is; empty when it is not installed."""
    return next((str(found) for place in _PLACES for found in Path("/").glob(place.lstrip("/"))), "")


def jump(folder: Path, name: str) -> None:
    """The sender's clock jumps while it runs; then it sends an urgent and a routine message, and is started again under that clock."""
    assert library(), "libfaketime is not installed: deploy/setup.sh installs it where it may"
    with stage(folder) as on:
        on[SENDER].submit(RECIPIENT)
        on.settle()
        on[SENDER].stop()
        clock = folder / "clock"
        clock.write_text("+0")
        process = _start(on, clock)
        try:
            clock.write_text(JUMPS[name])
            _accepts(on, name)
        finally:
            process.terminate()
            code = process.wait(30)
        demand("STOP", code == 0, f"it ended with {code} after its clock jumped")
        on[SENDER].start()
        on.settle()
        on.check()
        states = {each["deliveries"][0]["state"] for each in on[SENDER].client.items("/v1/messages", direction="out")}
        demand("TIM-6", states == {"delivered"}, f"after {name} and back: {states}")


def _start(on: Stage, clock: Path) -> subprocess.Popen[bytes]:
    node = on[SENDER]
    environment = {
        **os.environ, "LD_PRELOAD": library(), "FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1", "PYTHONPATH": str(_ROOT),
    }  # fmt: skip
    with node.log.open("ab") as out:
        command = [sys.executable, "-m", "node.cli", "run", "--home", str(node.home)]
        process = subprocess.Popen(command, stdout=out, stderr=out, env=environment, cwd=node.home)

    def answers() -> bool:
        assert process.poll() is None, node.log.read_text()[-2000:]
        return node.answers()

    wait_until(answers, "the node to start under a false clock")
    return process


def _accepts(on: Stage, name: str) -> None:
    """Both lanes are taken and the log's time stays. In 1970 no certificate is valid yet: what was taken waits for the clock."""
    node = on[SENDER]
    before = node.client.get("/v1/status")
    node.submit(RECIPIENT, lane="urgent")
    node.submit(RECIPIENT)
    if name != "1970":
        on.settle()
    after = node.client.get("/v1/status")
    demand("I8", after["log"]["time"] >= before["log"]["time"], f"log time went from {before['log']['time']} to {after['log']['time']}")
    if name != "1970":
        on.check()
