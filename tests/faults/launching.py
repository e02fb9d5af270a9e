"""Node processes that start fast and die on command: forked from a server process that has the whole program imported.

    process = launch(home, log, Fault(hook=("R7", "after")))

Each is a process of its own, running ``node.node.run`` as `rogatory run` does; SIGKILL ends it like any other. With ``traced`` it
waits for a tracer before it does anything.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import resource
import signal
import sys
import time
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

from node import clock
from node.cli.boundary import EXIT_REFUSED
from node.node import run
from protocol import limits
from protocol.errors import RogatoryError
from tests.faults import points

_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(["tests.faults.launching"])


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a process. ``armed``: the file from whose existence on the hook counts; without it from the start.

    ``days``: how far its wall clock is ahead; ``largest``: bytes that no file of its may exceed (RLIMIT_FSIZE).
    """

    hook: tuple[str, points.Edge] | None = None
    armed: str = ""
    traced: bool = False
    days: int = 0
    largest: int = 0


def launch(home: Path, log: Path, fault: Fault = Fault()) -> BaseProcess:
    """Start the node of this home; what it says goes to the end of ``log``."""
    process = _SERVER.Process(target=_serve, args=(home, log, fault), daemon=True)
    process.start()
    return process


def _serve(home: Path, log: Path, fault: Fault) -> None:
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(out, 1)
    os.dup2(out, 2)
    os.close(out)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the test's
    if fault.hook:
        points.arm(points.hook(*fault.hook), Path(fault.armed) if fault.armed else None)
    if fault.days:
        wall = clock._wall
        clock._wall = lambda: wall() + fault.days * limits.DAY
    if fault.largest:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # the write fails with EFBIG instead
        resource.setrlimit(resource.RLIMIT_FSIZE, (fault.largest, fault.largest))
    while fault.traced and not _is_traced():
        time.sleep(0.005)
    try:
        code = run(home)
    except RogatoryError as error:
        print(f"rogatory: {error.code.code} {error.detail}", file=sys.stderr)
        code = EXIT_REFUSED
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def _is_traced() -> bool:
    return "TracerPid:\t0\n" not in Path("/proc/self/status").read_text()
