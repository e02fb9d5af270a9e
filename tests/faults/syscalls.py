"""System calls that fail, by strace on a live node: the n-th fsync or write on its accept or submit path, with EIO or ENOSPC.

    at_syscall(on, Failing("recipient", "fdatasync", "EIO", 2))

After a failed fsync the process must end and not go on; after a full disk it must refuse clearly and go on. Nothing is lost or doubled.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from node.cli.boundary import AnsweredError
from protocol.errors import LocalError
from tests.faults.ledger import demand
from tests.faults.stage import RECIPIENT, SENDER, FaultNode, Stage, wait_until

SYNCS = ("fsync", "fdatasync")
_REACHES = 3.0  # seconds within which a message meets the call, if it makes so many


@dataclass(frozen=True, slots=True)
class Failing:
    """Which call fails. ``nth``: counted per thread from when the tracer is there; every later one succeeds."""

    where: Literal["sender", "recipient"]
    call: str
    error: str
    nth: int

    def __str__(self) -> str:
        return f"{self.where}-{self.call}-{self.error}-{self.nth}"


@dataclass(frozen=True, slots=True)
class Seen:
    """What came of it: how often the call failed, and whether the process ended, with which exit code."""

    failing: Failing
    times: int
    ended: int | None


def grid(writes: int, syncs: int) -> list[Failing]:
    """Every fsync and every write of one message, both ends, both errors, up to these counts."""
    found = []
    for where in ("sender", "recipient"):
        for n in range(1, max(writes, syncs) + 1):
            if n <= syncs:
                found += [Failing(where, "fdatasync", error, n) for error in ("EIO", "ENOSPC")]
            if n <= writes:
                found += [Failing(where, "pwrite64", error, n) for error in ("ENOSPC", "EIO")]
    return found


def available() -> str:
    """Why strace cannot be used here; empty when it can."""
    if shutil.which("strace") is None:
        return "there is no strace: deploy/setup.sh installs it where it may"
    done = subprocess.run(["strace", "-e", "inject=getppid:error=EIO", "true"], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else "strace may not trace here"


def at_syscall(on: Stage, failing: Failing) -> Seen:
    """Let a call of a running node fail while it takes one message; start it again if it ended; settle; check."""
    victim, sender = on[SENDER if failing.where == "sender" else RECIPIENT], on[SENDER]
    trace = victim.home / "strace"
    assert victim.process is not None
    key, body = sender.order(RECIPIENT)
    with _injected(victim, failing, trace):
        with contextlib.suppress(LocalError, AnsweredError):
            sender.post(RECIPIENT, key, body)
        with contextlib.suppress(AssertionError):
            wait_until(lambda: not victim.alive() or "INJECTED" in trace.read_text(), "the call to fail", _REACHES)
        times = trace.read_text().count("INJECTED")
        if times and failing.call in SYNCS:
            wait_until(lambda: not victim.alive(), f"{victim.name} to end after {failing}")
    ended = _go_on(on, victim, key, body)
    demand("SYNC", not (times and failing.call in SYNCS and ended in (None, 0)), f"{victim.name} went on after {failing}")
    if failing.error == "ENOSPC" and failing.call not in SYNCS:  # the guard may not be doubted, and a WAL index that cannot grow is no full disk to SQLite
        why = victim.log.read_text()[-4000:]
        demand("FULL", ended is None or "GUARD-WRITE" in why or "disk I/O" in why, f"{victim.name} ended with {ended} after {failing}")
    on.settle()
    on.check()
    return Seen(failing, times, ended)


def _go_on(on: Stage, victim: FaultNode, key: str, body: dict[str, Any]) -> int | None:
    """Until the message is accepted and receipted, or the victim has ended: then its exit code, once it runs again and has accepted."""
    sender = on[SENDER]

    def through() -> bool:
        if not victim.alive():
            return True
        if sender.refusal(RECIPIENT, key, body):
            return False
        sender.note_receipts()
        return not on.ledger.waiting()

    with contextlib.suppress(LocalError):
        wait_until(through, f"{victim.name} to go on or to end")
    ended = None
    if not victim.alive():
        ended = victim.await_end()
        victim.start()
    sender.insist(RECIPIENT, key, body)
    return ended


@contextlib.contextmanager
def _injected(victim: FaultNode, failing: Failing, trace: Path) -> Iterator[None]:
    """strace on all threads of a node: attached at the start of the block, let go at its end."""
    assert victim.process is not None
    trace.write_text("")
    command = [
        "strace", "-f", "-q", "-p", str(victim.process.pid), "-o", str(trace), "-e", f"trace={failing.call}",
        "-e", f"inject={failing.call}:error={failing.error}:when={failing.nth}",
    ]  # fmt: skip
    tracer = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: _all_traced(victim) or tracer.poll() is not None, "strace to attach")
        yield
    finally:
        tracer.terminate()
        tracer.wait(10)


def _all_traced(victim: FaultNode) -> bool:
    assert victim.process is not None
    tasks = Path(f"/proc/{victim.process.pid}/task")
    try:
        return all("TracerPid:\t0\n" not in (tasks / task / "status").read_text() for task in os.listdir(tasks))
    except OSError:
        return True  # it has ended
